"""Rounds of SET and ramp, until what is read back of a cell is what was wanted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memrix._support import compilation
from memrix.device.cells import Cells
from memrix.device.ramp_plan import plan_of
from memrix.device.read_back import ReadBack


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
