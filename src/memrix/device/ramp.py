"""Cells under a ramp of reset pulses that are read back after every pulse: each stops where its current says so.

Along a ramp all cells see the same voltages. The state of a cell that has left the low-resistance state is, at every
step, an affine function of two numbers of its own with coefficients that all share, and it falls: the step at which
a cell stops is found by bisection. Cells that the voltage has not reached yet do not change. And the noise of a
reading is drawn only where it could decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from memrix.device.indexing import positions
from memrix.device.parameters import SET_VOLTAGE
from memrix.device.switching import Block, Switching

# Deviations of the read noise beyond which a comparison is taken as decided: missed once in 5e8 readings.
_CERTAIN = 6.0
_CHUNK = 1 << 12  # cells that are looked at at all steps together
_NO_PULSE, _GOING = -1, -2  # in place of the step of a cell's last pulse


class ReadBackCircuit(Protocol):
    """What reads cells back.

    Attributes:
        voltage: V.
        bandwidth: Hz.
        temperature: K.
        unit: A that read as 1.
        step: reading of one code of its converter.
    """

    @property
    def voltage(self) -> float: ...  # noqa: D102 - told above
    @property
    def bandwidth(self) -> float: ...  # noqa: D102
    @property
    def temperature(self) -> float: ...  # noqa: D102
    @property
    def unit(self) -> float: ...  # noqa: D102
    @property
    def step(self) -> float: ...  # noqa: D102

    def convert(self, currents: Tensor) -> Tensor:
        """Readings of currents in A; may overwrite them."""
        ...


@dataclass(frozen=True)
class RampRecord:
    """What a ramp took.

    Attributes:
        readings: the last one of every cell, in units of the circuit.
        pulses: voltages applied to single cells.
        power: sum of ``U * I`` over them, in W.
        reads: readings of single cells.
        disturbing_reads: those of them beyond a threshold of the cell.
    """

    readings: Tensor
    pulses: int
    power: float
    reads: int
    disturbing_reads: int


class Ramp:
    """One ramp: what all steps share, and what is known of every cell so far.

    Args:
        switching: of the technology.
        block: the cells.
        index: int64 ``[n]``, cells of the block.
        volts: V, ascending and above 0.
        aim: ``[n]``, in units of the circuit.
        circuit: reads the cells back after every pulse.
        normals: draws so many standard normal numbers.
    """

    def __init__(
        self,
        switching: Switching,
        block: Block,
        index: Tensor,
        volts: Sequence[float],
        aim: Tensor,
        circuit: ReadBackCircuit,
        normals: Callable[[int], Tensor],
    ) -> None:
        self.switching, self.block, self.index = switching, block, index
        self.aim, self.circuit, self.normals = aim, circuit, normals
        current = switching.current
        self.low, self.slope = current.low_resistance(circuit.voltage), current.slope(circuit.voltage)
        self.variance = current.noise_variance(circuit.voltage, "physical", circuit.temperature, circuit.bandwidth)
        self.r = block.r.index_select(0, index)
        self.block_states_before = self.r.double()
        largest = float(self.variance[0]) + max(0.0, float(self.variance[1]) * float(self.r.min()))
        # In units of the circuit; half a code either way, and more for rounding.
        self.margin = _CERTAIN * largest**0.5 / circuit.unit + 2 * circuit.step
        self.volts = torch.tensor(volts, dtype=torch.float32, device=index.device)
        self.numbers = torch.arange(len(volts), device=index.device)
        # State and reading at every step, from amplitude and floor: [2, steps] and [steps].
        exact = torch.tensor(volts, dtype=torch.float64)
        shape = (switching.full_reset_voltage - exact).clamp_(min=0) ** switching.exponent
        slopes = current.slope(exact)
        weights = torch.stack([shape / slopes, 1 / slopes])
        offset = -current.low_resistance(exact) / slopes
        self.state_weights, self.state_offset = weights.to(self.r), offset.to(self.r)
        self.reading_weights = (weights * (self.slope / circuit.unit)).to(self.r)
        self.reading_offset = ((offset * self.slope + self.low) / circuit.unit).to(self.r)
        self.readings = torch.zeros_like(self.r)
        self.decided = torch.zeros_like(self.r, dtype=torch.bool)
        self.last = torch.full_like(index, _GOING)  # the step of the last pulse
        self.pulses, self.reads, self.disturbing_reads, self.power = 0, 0, 0, 0.0

    def run(self) -> RampRecord:
        """Read the cells, then apply the voltages one by one until the reading of each is at or below its aim."""
        threshold = self.block.reset_threshold.index_select(0, self.index)
        # The step that moves each cell first: with it the voltage exceeds the threshold.
        first = torch.searchsorted(self.volts, threshold, right=True)
        everyone = torch.arange(len(self.index), device=threshold.device)
        waiting = everyone[~self._stop_at_once(everyone)]
        doubtful = (self._means(self.r[waiting]) - self.aim[waiting]).abs_() < self.margin
        self._wait_in_doubt(waiting[doubtful], first)
        waiting = waiting[~doubtful | (self.last[waiting] == _GOING)]
        self.last[waiting] = len(self.volts) - 1
        moved = waiting[first[waiting] < len(self.volts)]
        self._leave(moved)
        if len(moved):
            self._move(moved, first[moved])
        self._count(first, threshold)
        undecided = ~self.decided
        self.readings[undecided] = self._read(self.r[undecided])
        self.block.r.index_copy_(0, self.index, self.r)
        return RampRecord(self.readings, self.pulses, self.power, self.reads, self.disturbing_reads)

    def _stop_at_once(self, cells: Tensor) -> Tensor:
        """Which cells need no pulse."""
        stops = self._below(cells, self._means(self.r[cells]) - self.aim[cells])
        self.last[cells[stops]] = _NO_PULSE
        return stops

    def _wait_in_doubt(self, cells: Tensor, first: Tensor) -> None:
        """Cells in the low-resistance state whose current is so near their aim that noise may stop them any time."""
        above = self._means(self.r[cells]) - self.aim[cells]
        for step in range(len(self.volts)):
            alive = (first[cells] > step) & (self.last[cells] == _GOING)
            if not bool(alive.any()):
                return
            chosen = positions(alive)
            stops = self._below(cells[chosen], above[chosen])
            self.last[cells[chosen[stops]]] = step

    def _leave(self, cells: Tensor) -> None:
        """Let those of the cells that are ON enter their next cycle and begin their transition."""
        index = self.index[cells]
        index = index[self.block.set_threshold[index] == -torch.inf]
        if not len(index):
            return
        self.switching.next_cycle_(self.block, index)
        self.block.set_threshold.scatter_(0, index, self.block.features[SET_VOLTAGE].index_select(0, index))
        self.switching.begin_transition_(self.block, index)

    def _move(self, cells: Tensor, first: Tensor) -> None:
        """Find where on their transitions cells stop."""
        # [2, cells]: amplitude and floor
        ends = self.block.transition.index_select(0, self.index[cells]).t().contiguous()
        last = self._first_in_reach(cells, ends, first)
        going = torch.arange(len(cells), device=cells.device)
        # Pulse by pulse: a reading that did not stop a cell says nothing about the next.
        while len(going := going[last[going] < len(self.volts)]):
            stops = self._below(cells[going], self._above(last[going], cells[going], ends[:, going]))
            going = going[~stops]
            last[going] += 1
        last.clamp_(max=len(self.volts) - 1)
        before = self.r[cells]
        self.last[cells] = last
        weights, offset = self.state_weights[:, last], self.state_offset[last]
        self.r[cells] = torch.addcmul(offset, weights[0], ends[0]).addcmul_(weights[1], ends[1])
        self.block.reset_threshold.scatter_(0, self.index[cells], self.volts[last])
        self._spend_moving(ends, before, first, last)

    def _first_in_reach(self, cells: Tensor, ends: Tensor, first: Tensor) -> Tensor:
        """The first step of every cell at which its reading might be at or below its aim; their number if none."""
        low, high = first.clone(), torch.full_like(first, len(self.volts))
        for _ in range(len(self.volts).bit_length()):
            middle = (low + high) // 2
            # A search that has ended looks at the last step once more, and stays.
            reached = self._above(middle.clamp(max=len(self.volts) - 1), cells, ends) < self.margin
            reached |= middle >= high
            high = torch.where(reached, middle, high)
            low = torch.where(reached, low, middle + 1)
        stray = positions(self._not_falling(ends))
        for start in range(0, len(stray), _CHUNK):
            chosen = stray[start : start + _CHUNK]
            steps = self.numbers[:, None].expand(-1, len(chosen))
            above = self._above(steps, cells[chosen], ends[:, chosen])
            reached = (above < self.margin) & (steps >= first[chosen])
            found = reached.to(torch.uint8).max(0)
            high[chosen] = torch.where(found.values.bool(), found.indices, len(self.volts))
        return high

    def _not_falling(self, ends: Tensor) -> Tensor:
        """Cells whose current might not fall all along the ramp; a few in 100,000 do not."""
        if not ends.numel():
            return torch.zeros_like(ends[0], dtype=torch.bool)
        by_amplitude, by_floor = self.reading_weights.double().diff(dim=1)
        alone = self.reading_offset.double().diff()
        # The reading falls at a step if the amplitude is above what its floor asks for: at most, over all floors.
        floors = torch.stack([ends[1].min(), ends[1].max()]).double()[:, None]
        needed = ((by_floor * floors + alone) / -by_amplitude)[:, by_amplitude < 0]
        return ends[0] < float(needed.max()) if needed.numel() else torch.ones_like(ends[0], dtype=torch.bool)

    def _above(self, steps: Tensor, cells: Tensor, ends: Tensor) -> Tensor:
        """Mean reading above the aim at a step each; ``steps`` may have more axes in front."""
        weights = self.reading_weights
        reading = torch.addcmul(self.reading_offset[steps], weights[0][steps], ends[0])
        return reading.addcmul_(weights[1][steps], ends[1]).sub_(self.aim[cells])

    def _spend_moving(self, ends: Tensor, before: Tensor, first: Tensor, last: Tensor) -> None:
        """Power of the pulses from the first that moves a cell: the current halfway between before and after."""
        values = torch.cat([ends, torch.ones_like(before)[None], before[None]]).double()
        length = len(self.volts)
        entering, leaving = (
            torch.zeros((4, length + 1), dtype=torch.float64, device=first.device).index_add_(1, steps, values)
            for steps in (first, last + 1)
        )
        # Sums over the cells that a step moves, and over those of them that an earlier step has moved too.
        moved = (entering.cumsum(1) - leaving.cumsum(1))[:, :length]
        earlier = moved - entering[:, :length]
        weights, offset = self.state_weights.double(), self.state_offset.double()
        after = weights[0] * moved[0] + weights[1] * moved[1] + offset * moved[2]
        start = entering[3, :length].clone()
        start[1:] += (
            weights[0, :-1] * earlier[0, 1:] + weights[1, :-1] * earlier[1, 1:] + offset[:-1] * earlier[2, 1:]
        )
        self._spend(moved[2], (after + start) / 2)

    def _spend(self, counts: Tensor, states: Tensor) -> None:
        """Power of pulses at every step on so many cells, of states that add up to these."""
        volts = self.volts.double()
        current = self.switching.current
        self.power += float((volts * (current.low_resistance(volts) * counts + current.slope(volts) * states)).sum())

    def _count(self, first: Tensor, threshold: Tensor) -> None:
        """Pulses and readings of all cells, and the power of pulses that moved nothing."""
        pulses = self.last + 1
        self.pulses = int(pulses.sum())
        self.reads = self.pulses + len(pulses)
        idle = torch.minimum(first, pulses)
        length = len(self.volts)
        started = self.block_states_before
        ends = torch.zeros((2, length + 1), dtype=torch.float64, device=first.device)
        ends[0].index_add_(0, idle, torch.ones_like(started))
        ends[1].index_add_(0, idle, started)
        counts, states = ends.flip(1).cumsum(1).flip(1)[:, 1:]
        self._spend(counts, states)
        low = threshold < self.circuit.voltage
        self.disturbing_reads = int((torch.minimum(first, pulses)[low] + 1).sum())
        moving = self.volts < self.circuit.voltage
        if bool(moving.any()):
            steps = self.numbers[moving][:, None]
            self.disturbing_reads += int(((steps >= first) & (steps <= self.last)).sum())

    def _means(self, states: Tensor) -> Tensor:
        scale, offset = self.slope / self.circuit.unit, self.low / self.circuit.unit
        means: Tensor = states * scale + offset
        return means

    def _below(self, cells: Tensor, above: Tensor) -> Tensor:
        """Which cells read at or below their aim, of currents so far above it."""
        below: Tensor = above <= -self.margin
        doubt = positions(above.abs() < self.margin)
        if len(doubt):
            chosen = cells[doubt]
            readings = self._noisy(above[doubt] + self.aim[chosen])
            low = readings <= self.aim[chosen]
            below[doubt] = low
            self.readings[chosen] = readings
            self.decided[chosen[low]] = True
        return below

    def _read(self, states: Tensor) -> Tensor:
        return self._noisy(self._means(states))

    def _noisy(self, means: Tensor) -> Tensor:
        """Readings of cells whose mean readings are given."""
        currents = means * self.circuit.unit
        # The variance is affine in the state, and so in the current.
        offset, slope = (float(value) for value in self.variance)
        variance = ((currents - self.low) * (slope / self.slope)).add_(offset)
        noisy = currents.addcmul_(variance.clamp_(min=0).sqrt_(), self.normals(len(means)))
        return self.circuit.convert(noisy)
