"""Cells under a ramp of reset pulses that are read back after every pulse: each stops where its current says so.

Along a ramp all cells see the same voltages. Cells that the voltage has not reached yet do not change, and the state
of a cell that it has reached is known at every step. The noise of a reading is drawn only where it could decide: the
numbers that are drawn have an end (``streams.normal_table``), so a cell stops at exactly the step at which pulses and
readings one by one would stop it. On a CPU with numba, ``ramp_kernels`` does the same cell by cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from memrix._support import compilation
from memrix._support.streams import Stream
from memrix._support.threads import go_on
from memrix.device.block import Block
from memrix.device.draws import reading_normals
from memrix.device.indexing import positions
from memrix.device.parameters import SET_VOLTAGE
from memrix.device.ramp_plan import RampPlan, RampRecord, plan_of
from memrix.device.read_back import ReadBack
from memrix.device.switching import Switching


def ramp_(
    switching: Switching,
    block: Block,
    index: Tensor,
    volts: Sequence[float],
    aim: Tensor,
    circuit: ReadBack,
    stream: Stream,
    readings: Tensor,
) -> RampRecord:
    """Read cells, then apply the voltages one by one until the reading of each is at or below its aim.

    Args:
        switching: of the technology.
        block: the cells.
        index: int64 ``[n]``, cells of the block.
        volts: V, ascending and above 0.
        aim: ``[cells]``, in units of the circuit.
        circuit: reads the cells back after every pulse.
        stream: of the noise of readings.
        readings: int64 ``[cells]``: how many each cell has had; they are counted on.
    """
    plan = plan_of(switching, tuple(volts), circuit)
    if block.r.device.type == "cpu" and compilation.AVAILABLE:
        from memrix.device.ramp_compiled import CompiledRamp

        return CompiledRamp(switching, block, plan, aim, stream, readings).run(index)[0]
    return _Ramp(switching, block, index, plan, aim, stream, readings).run()


class _Ramp:
    """One ramp in tensor operations; arguments as of ``ramp_``."""

    def __init__(
        self,
        switching: Switching,
        block: Block,
        index: Tensor,
        plan: RampPlan,
        aim: Tensor,
        stream: Stream,
        readings: Tensor,
    ) -> None:
        self.switching, self.block, self.index, self.plan = switching, block, index, plan
        self.aim = aim.index_select(0, index)
        self.stream, self.read_before = stream, readings
        self.numbers, self.done = block.numbers.index_select(0, index), readings.index_select(0, index)
        self.r, self.margin = block.r.index_select(0, index), plan.margins(self.aim)
        self.volts, self.states = (
            torch.from_numpy(array).to(index.device) for array in (plan.steps.volts, plan.steps.states)
        )
        self.volts = self.volts[: self.states.shape[1]]

    def run(self) -> RampRecord:
        """The whole ramp."""
        count = len(self.volts)
        before, threshold = self.r.clone(), self.block.reset_threshold.index_select(0, self.index)
        # The step that moves each cell first: with it the voltage exceeds the threshold.
        first = torch.searchsorted(self.volts, threshold, right=True)
        pulses, stopped = self._wait(first)
        moving = positions(~stopped & (first < count))
        ends = self._leave(moving)
        self._move(moving, ends, first, pulses)
        read = self._read(everyone := torch.arange(len(self.index), device=first.device), pulses)
        readings = torch.zeros_like(self.block.r).scatter_(0, self.index, read)
        self.block.r.index_copy_(0, self.index, self.r)
        self.read_before.index_copy_(0, self.index, self.done + pulses + 1)
        power = self._power(before, first, pulses, moving, ends)
        idle = torch.minimum(first, pulses)
        disturbed = torch.where(threshold < self.plan.voltage, idle + 1, 0).sum()
        low = pulses.clamp(max=self.plan.disturbing) - first
        disturbed += low.clamp_(min=0)[moving].sum()
        total = int(pulses.sum())
        return RampRecord(readings, total, power, total + len(everyone), int(disturbed))

    def _wait(self, first: Tensor) -> tuple[Tensor, Tensor]:
        """Pulses of cells that stop in the state they are in, and which these are; of others, all pulses."""
        pulses = torch.full_like(first, len(self.volts))
        stopped, doubtful = self._verdict(torch.arange(len(first), device=first.device), self.r)
        pulses[stopped] = 0
        # A current near the aim may read as low any time until a pulse moves the cell.
        number, going = 0, positions(doubtful)
        while len(going := going[first[going] >= number]):
            go_on()
            low = self._read(going, torch.full_like(going, number)) <= self.aim[going]
            pulses[going[low]] = number
            stopped[going[low]] = True
            going = going[~low]
            number += 1
        return pulses, stopped

    def _leave(self, cells: Tensor) -> Tensor:
        """Let those of the cells that are ON enter their next cycle; amplitudes and floors of all, ``[2, cells]``."""
        index = self.index.index_select(0, cells)
        on = index.index_select(0, positions(self.block.set_threshold.index_select(0, index) == -torch.inf))
        if len(on):
            self.switching.next_cycle_(self.block, on)
            self.block.set_threshold.scatter_(0, on, self.block.features[SET_VOLTAGE].index_select(0, on))
            self.switching.begin_transition_(self.block, on)
        return self.block.transition.index_select(0, index).t().contiguous()

    def _move(self, cells: Tensor, ends: Tensor, first: Tensor, pulses: Tensor) -> None:
        """Find where on their transitions cells stop."""
        going, its_ends, start = cells, ends, first[cells]
        for step in range(len(self.volts)):
            go_on()
            by_amplitude, by_floor, alone = self.states[:, step]
            r = (its_ends[0] * by_amplitude).add_(its_ends[1] * by_floor).add_(alone)
            begun = start <= step
            self.r[going[begun]] = r[begun]
            low, doubtful = (verdict & begun for verdict in self._verdict(going, r))
            doubtful = positions(doubtful)
            some = going[doubtful]
            low[doubtful] = self._read(some, torch.full_like(some, step + 1)) <= self.aim[some]
            pulses[going[low]] = step + 1
            going, its_ends, start = going[~low], its_ends[:, ~low], start[~low]
            if not len(going):
                break
        self.block.reset_threshold.scatter_(0, self.index[cells], self.volts[pulses[cells] - 1])

    def _verdict(self, cells: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        """Which cells read at or below their aim in any case, and for which the noise decides."""
        aim, margin = self.aim.index_select(0, cells), self.margin.index_select(0, cells)
        above = (r * self.plan.circuit.reading_slope).add_(self.plan.circuit.reading_low).sub_(aim)
        # Codes have ends: no reading is below 0, and none above the largest.
        never, always = aim < 0, aim >= self.plan.largest_reading
        low = ((above <= -margin) & ~never) | always
        return low, (above < margin) & ~low & ~never

    def _read(self, cells: Tensor, number: Tensor) -> Tensor:
        """A reading of cells as they are, as ``Cells.read`` and the circuit give it; ``number``: in this ramp."""
        circuit, r = self.plan.circuit, self.r.index_select(0, cells)
        drawn = reading_normals(
            self.stream, self.numbers.index_select(0, cells), self.done.index_select(0, cells) + number
        )
        noise = drawn.mul_((r * circuit.variance_slope).add_(circuit.variance).clamp_(min=0).sqrt_())
        current = r.mul_(circuit.slope).add_(circuit.low).add_(noise)
        codes = current.mul_(circuit.codes_per_ampere).round_().clamp_(0, circuit.largest_code)
        readings: Tensor = codes.mul_(circuit.step)
        return readings

    def _power(self, before: Tensor, first: Tensor, pulses: Tensor, moving: Tensor, ends: Tensor) -> int:
        """Power of all pulses, the current in each halfway between before and after it."""
        tables = {
            name: torch.from_numpy(np.ascontiguousarray(getattr(self.plan.steps, name))).to(before.device)
            for name in ("low_sums", "slope_sums", "after_sums", "before_sums", "weights")
        }
        before, ends = before.double(), ends.double()
        idle = torch.minimum(first, pulses)
        power = tables["low_sums"][pulses] + tables["slope_sums"][idle] * before
        start, stop = first[moving], pulses[moving]
        after, earlier = (
            table[:, stop] - table[:, start + shift]
            for table, shift in ((tables["after_sums"], 0), (tables["before_sums"], 1))
        )
        moved = (after[0] + earlier[0]) * ends[0] + (after[1] + earlier[1]) * ends[1] + (after[2] + earlier[2])
        power[moving] += (moved + tables["weights"][start] * before[moving]) * 0.5
        return int((power * self.plan.per_power_unit).round_().to(torch.int64).sum())
