"""Rounds of SET and ramp, until what is read back of a cell is what was wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from memrix._support import compilation
from memrix.device.cells import Cells
from memrix.device.draws import CellStreams
from memrix.device.parameters import DeviceParameters
from memrix.device.ramp_plan import plan_of
from memrix.device.reach import ReadRange
from memrix.device.read_back import ReadBack
from memrix.device.switching import switching_of


class FreshRamped(NamedTuple):
    """What SET and ramp of fresh cells came to.

    Attributes:
        left: int64 ``[n]``, positions of cells that are still fresh: they are to be taken pulse by pulse.
        pulses: voltages applied to the others.
        power: of these pulses, in units of ``CellCurrent.power_unit``.
        reads: readings of the others, none of which can have switched a cell.
    """

    left: Tensor
    pulses: int
    power: int
    reads: int


@dataclass(frozen=True)
class RampRounds:
    """SET and ramp; cells that are off in the end are reset, SET and ramped again.

    Attributes:
        volts: V, of the ramp, ascending and above 0.
        circuit: that reads the cells back.
        set_voltage: V.
        reset_voltage: V.
        rounds: at most.
        tolerance: of the last reading of a cell, in units of the circuit.
    """

    volts: tuple[float, ...]
    circuit: ReadBack
    set_voltage: float
    reset_voltage: float
    rounds: int
    tolerance: float

    @torch.no_grad()
    def run_fresh(
        self,
        parameters: DeviceParameters,
        streams: CellStreams,
        aim: Tensor,
        wanted: Tensor,
        reads: ReadRange | None,
        states: Tensor,
    ) -> FreshRamped | None:
        """The first round of fresh cells, of as many as take the usual course; None where there is no machine code.

        The cells that are left are as ``run`` finds them; it gives all cells the same states, pulses and readings.

        Args:
            parameters: of the device.
            streams: of consecutive cells.
            aim: as of ``run``.
            wanted: as of ``run``.
            reads: voltages of readings to come; the cells that they may switch are left.
            states: float32 ``[cells]``, to be filled but for those.
        """
        if states.device.type != "cpu" or not compilation.AVAILABLE:
            return None
        from memrix.device.fresh_ramp_compiled import set_and_ramp

        switching = switching_of(parameters, parameters.order, states.device)
        plan = plan_of(switching, self.volts, self.circuit)
        return set_and_ramp(switching, streams, plan, self.set_voltage, aim, wanted, self.tolerance, reads, states)

    @torch.no_grad()
    def run(self, cells: Cells, aim: Tensor, wanted: Tensor) -> int:
        """Bring cells to readings ``wanted`` by ramps that stop at or below ``aim``, both float32 ``[cells]``.

        Returns:
            How many cells are off after the last round.
        """
        if cells.device.type == "cpu" and compilation.AVAILABLE:
            return self._run_compiled(cells, aim, wanted)
        failing = torch.ones(cells.shape, dtype=torch.bool, device=cells.device)
        for number in range(self.rounds):
            if number:
                cells.apply_voltage(self.reset_voltage, where=failing)
            cells.apply_voltage(self.set_voltage, where=failing)
            reading = cells.ramp(self.volts, aim, self.circuit, failing)
            failing &= (reading - wanted).abs() > self.tolerance
            if not bool(failing.any()):
                break
        return int(torch.count_nonzero(failing))

    def _run_compiled(self, cells: Cells, aim: Tensor, wanted: Tensor) -> int:
        from memrix.device.ramp_compiled import CompiledRamp

        switching, block = cells._switching, cells._block
        plan = plan_of(switching, self.volts, self.circuit)
        ramp = CompiledRamp(
            switching, block, plan, aim, cells.streams.readings, cells._readings, wanted, self.tolerance
        )
        failing = torch.arange(block.r.numel())
        for number in range(self.rounds):
            if not failing.numel():
                break
            record, failing = ramp.run(failing, self.reset_voltage if number else 0.0, self.set_voltage)
            cells.count(record)
        return failing.numel()
