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
    ramp, ramp_plan                           ramps that stop where a reading says so
    current                                   current and noise, affine in ``r``
    reach, switchability                      which cells a voltage switches: of an array; of a technology
    ranges                                    where settings mean something
    *_kernels, *_compiled                     the same as machine code of a CPU, bit for bit
    fitting/                                  from measurements to parameters
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memrix.device.cells import Cells
    from memrix.device.current import CellCurrent
    from memrix.device.fresh import FreshCells
    from memrix.device.parameter_files import load_parameters, save_parameters
    from memrix.device.parameters import DeviceParameters
    from memrix.device.parametric import parametric_device
    from memrix.device.reach import ReadRange, WithinReach
    from memrix.device.read_back import ReadBack
    from memrix.device.switchability import (
        PulseVoltages,
        SwitchingShares,
        pulse_voltages,
        reset_share,
        switching_shares,
    )

__all__ = [
    "CellCurrent",
    "Cells",
    "DeviceParameters",
    "FreshCells",
    "PulseVoltages",
    "ReadBack",
    "ReadRange",
    "SwitchingShares",
    "WithinReach",
    "load_parameters",
    "parametric_device",
    "pulse_voltages",
    "reset_share",
    "save_parameters",
    "switching_shares",
]

_HOMES = {
    "CellCurrent": "current",
    "Cells": "cells",
    "DeviceParameters": "parameters",
    "FreshCells": "fresh",
    "PulseVoltages": "switchability",
    "ReadBack": "read_back",
    "ReadRange": "reach",
    "SwitchingShares": "switchability",
    "WithinReach": "reach",
    "load_parameters": "parameter_files",
    "parametric_device": "parametric",
    "pulse_voltages": "switchability",
    "reset_share": "switchability",
    "save_parameters": "parameter_files",
    "switching_shares": "switchability",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # `memrix device fit --help` reads the settings of a fit, and does not wait for torch.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
