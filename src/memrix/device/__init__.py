"""One memristor cell: its measured parameters, its state under voltage, its current and its noise.

Nothing here knows of arrays or weights. The model is that of Synaptogen (Hennen et al., 10.3389/fnins.2022.941753 and
10.1109/TED.2024.3427616). A cell is a state ``r`` and thresholds; a device draw makes cells differ, a cycle draw
makes cycles differ::

    parameter file --- load_parameters ---> DeviceParameters
                                              |
    Stream(seed) --- draws ---> words ---> DeviceModel ---> offsets and scales of a cell       device to device
                                  |             |
                                  +------> CycleModel ----> resistances, thresholds of a cycle cycle to cycle
                                                |
    voltages --- voltages ---> pulses ---> Switching -----> r --- CellCurrent ---> I(r, U), variance of its noise

Two ways to states:

- ``Cells`` lives through any train of pulses, and is read back on the way (``ramp`` for many pulses at once).
- ``FreshCells`` draws what reset-set leaves of a fresh array in one step: the same cells.

Where to look::

    parameters, parameter_files, parametric   a technology; its JSON file; one from a few numbers
    draws, cell_numbers                       which words of which stream a cell draws
    variability, elementary                   from words to features of a cell; functions of equal bits everywhere
    switching, block, indexing                SET, RESET, partial RESET; all that the future of cells depends on
    cells, arguments, voltages, state_dicts   the array that users hold, and what it is given
    fresh                                     states after reset-set
    readings, read_back                       noise of readings; the circuit that reads cells back
    ramp, ramp_plan, ramp_rounds              ramps that stop where a reading says so, again where cells are off
    current                                   current and noise, affine in ``r``
    reach, switchability                      which cells a voltage switches: of an array; of a technology
    ranges                                    where settings mean something
    *_kernels, *_compiled                     the same as machine code of a CPU, bit for bit
    ramp_lanes, fresh_ramp_tile               where compiled ramps keep what they know of cells
    fitting/                                  from measurements to parameters
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# `memrix device fit --help` reads the settings of a fit, and does not wait for torch.
if TYPE_CHECKING:
    from memrix.device.cells import Cells as Cells
    from memrix.device.current import CellCurrent as CellCurrent
    from memrix.device.fresh import FreshCells as FreshCells
    from memrix.device.parameter_files import load_parameters as load_parameters, save_parameters as save_parameters
    from memrix.device.parameters import DeviceParameters as DeviceParameters
    from memrix.device.parametric import parametric_device as parametric_device
    from memrix.device.reach import ReadRange as ReadRange, WithinReach as WithinReach
    from memrix.device.read_back import ReadBack as ReadBack
    from memrix.device.switchability import (
        PulseVoltages as PulseVoltages,
        SwitchingShares as SwitchingShares,
        pulse_voltages as pulse_voltages,
        reset_share as reset_share,
        switching_shares as switching_shares,
    )
else:
    from memrix._support.lazy import lazy_names

    __all__, __getattr__, __dir__ = lazy_names(__name__, __file__)
