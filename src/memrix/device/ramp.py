"""Cells under a ramp of reset pulses that are read back after every pulse: each stops where its current says so.

Along a ramp all cells see the same voltages. The state of a cell that has left the low-resistance state is, at every
step, an affine function of two numbers of its own with coefficients that all share, and it falls: the step at which
a cell stops is found by bisection. Cells that the voltage has not reached yet do not change. And the noise of a
reading is drawn only where it could decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from memrix._support.threads import go_on
from memrix.device.block import Block
from memrix.device.indexing import positions
from memrix.device.parameters import SET_VOLTAGE
from memrix.device.switching import Switching

# Deviations of the read noise beyond which a comparison is taken as decided: missed once in 5e8 readings.
_CERTAIN = 6.0
_AT_ONCE = 1 << 14  # readings of several steps that are looked at together
_NO_PULSE = -1  # in place of the step of a cell's last pulse
_SEGMENTS = 256  # of a curve, each replaced by its chord


@runtime_checkable
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
        self.states_before = self.r.double()
        largest = float(self.variance[0]) + max(0.0, float(self.variance[1]) * float(self.r.min()))
        # In units of the circuit; half a code either way, and more for rounding.
        self.margin = _CERTAIN * largest**0.5 / circuit.unit + 2 * circuit.step
        self.volts = torch.tensor(volts, dtype=torch.float32, device=index.device)
        self.numbers = torch.arange(len(volts), dtype=torch.int32, device=index.device)
        # State and reading at every step, from amplitude and floor: [2, steps] and [steps].
        exact = torch.tensor(volts, dtype=torch.float64)
        shape = (switching.full_reset_voltage - exact).clamp_(min=0) ** switching.exponent
        slopes = current.slope(exact)
        weights = torch.stack([shape / slopes, 1 / slopes])
        offset = -current.low_resistance(exact) / slopes
        self.state_weights, self.state_offset = weights.to(self.r), offset.to(self.r)
        reading = torch.cat([weights * self.slope, (offset * self.slope + self.low)[None]]) / circuit.unit
        # Past the last step any aim counts as reached: a search that looks there comes to its end.
        beyond = torch.tensor([0.0, 0.0, -math.inf], dtype=torch.float64)[:, None].expand(-1, 2 * len(volts))
        self.reading = torch.cat([reading, beyond], dim=1).to(self.r)  # [amplitude, floor, alone], steps
        self.readings = torch.full_like(self.r, math.nan)
        self.last = torch.full_like(index, _NO_PULSE)  # the step of the last pulse
        self.pulses, self.reads, self.disturbing_reads, self.power = 0, 0, 0, 0.0

    def run(self) -> RampRecord:
        """Read the cells, then apply the voltages one by one until the reading of each is at or below its aim."""
        threshold = self.block.reset_threshold.index_select(0, self.index)
        # The step that moves each cell first: with it the voltage exceeds the threshold.
        first = torch.searchsorted(self.volts, threshold, right=True, out_int32=True)
        waiting = self._wait(first)
        self.last[waiting] = len(self.volts) - 1
        moved = waiting.index_select(0, positions(first.index_select(0, waiting) < len(self.volts)))
        self._leave(moved)
        if len(moved):
            self._move(moved, first.index_select(0, moved))
        self._count(first, threshold)
        unread = positions(self.readings.isnan())
        self.readings.scatter_(0, unread, self._noisy(self._means(self.r.index_select(0, unread))))
        self.block.r.index_copy_(0, self.index, self.r)
        return RampRecord(self.readings, self.pulses, self.power, self.reads, self.disturbing_reads)

    def _wait(self, first: Tensor) -> Tensor:
        """Stop the cells that do so in the state they are in; returns those that do not."""
        above = self._means(self.r).sub_(self.aim)
        everyone = torch.arange(len(self.index), device=above.device)
        # A current near the aim may read as low any time until a pulse moves the cell.
        until = torch.where(above < self.margin, first, _NO_PULSE)
        last = self._stop(everyone, torch.full_like(first, _NO_PULSE), until, lambda steps, cells: above[cells])
        stopped = last < until
        self.last = torch.where(stopped, last, self.last)
        return positions(~stopped)

    def _leave(self, cells: Tensor) -> None:
        """Let those of the cells that are ON enter their next cycle and begin their transition."""
        index = self.index.index_select(0, cells)
        on = self.block.set_threshold.index_select(0, index) == -torch.inf
        index = index.index_select(0, positions(on))
        if not len(index):
            return
        self.switching.next_cycle_(self.block, index)
        self.block.set_threshold.scatter_(0, index, self.block.features[SET_VOLTAGE].index_select(0, index))
        self.switching.begin_transition_(self.block, index)

    def _move(self, cells: Tensor, first: Tensor) -> None:
        """Find where on their transitions cells stop."""
        index = self.index.index_select(0, cells)
        self.readings.index_fill_(0, cells, math.nan)  # what they read before they moved is not their last reading
        # [2, cells]: amplitude and floor
        ends = self.block.transition.index_select(0, index).t().contiguous()
        aim = self.aim.index_select(0, cells)
        reached = self._first_in_reach(aim + self.margin, ends, first)

        def above(steps: Tensor, chosen: Tensor) -> Tensor:
            return self._reading(steps, ends.index_select(1, chosen)).sub_(aim.index_select(0, chosen))

        last = self._stop(cells, reached, torch.full_like(first, len(self.volts)), above)
        last.clamp_(max=len(self.volts) - 1)
        before = self.r.index_select(0, cells)
        self.last.scatter_(0, cells, last.long())
        weights, offset = self.state_weights.index_select(1, last), self.state_offset.index_select(0, last)
        self.r.scatter_(0, cells, torch.addcmul(offset, weights[0], ends[0]).addcmul_(weights[1], ends[1]))
        self.block.reset_threshold.scatter_(0, index, self.volts.index_select(0, last))
        self._spend_moving(ends, before, first, last)

    def _first_in_reach(self, bound: Tensor, ends: Tensor, first: Tensor) -> Tensor:
        """The first step from ``first`` on at which each mean reading is below its bound; their number if none."""
        before = first - 1  # the last step at which it is not
        for bit in reversed(range(len(self.volts).bit_length())):
            candidate = before + (1 << bit)
            before = torch.where(self._reading(candidate, ends) < bound, before, candidate)
        reached = before + 1
        stray = positions(self._may_rise(ends))
        for some in torch.split(stray, max(1, _AT_ONCE // len(self.volts))):
            below = self._reading(self.numbers[:, None], ends[:, some]) < bound[some]
            below &= self.numbers[:, None] >= first[some]
            found = below.to(torch.uint8).max(0)
            reached[some] = torch.where(found.values.bool(), found.indices.int(), len(self.volts))
        return reached

    def _may_rise(self, ends: Tensor) -> Tensor:
        """Cells whose current might not fall all along the ramp; a few in a million do not."""
        by_amplitude, by_floor, alone = self.reading[:, : len(self.volts)].double().diff(dim=1)
        falls = by_amplitude < 0
        if not ends.numel() or not len(falls) or not bool(falls.all()):
            return torch.full_like(ends[0], bool(len(falls)), dtype=torch.bool)
        # The reading falls at a step if the amplitude is above what the floor asks for, a linear function of it. The
        # largest of these functions is convex: chords lie above it.
        lowest, highest = (float(value) for value in ends[1].aminmax())
        floors = torch.linspace(lowest, highest, _SEGMENTS + 1, dtype=torch.float64, device=ends.device)[:, None]
        needed = ((by_floor * floors + alone) / -by_amplitude).max(1).values
        position = (ends[1] - lowest).mul_(_SEGMENTS / (highest - lowest) if highest > lowest else 0.0)
        segment = position.int().clamp_(0, _SEGMENTS - 1)
        rise = needed.diff().to(ends).index_select(0, segment)
        bound: Tensor = needed.to(ends).index_select(0, segment).addcmul_(rise, position - segment)
        return ends[0] < bound

    def _reading(self, steps: Tensor, ends: Tensor) -> Tensor:
        """Mean readings of cells along their transitions, at a step each; ``steps`` may have more axes in front."""
        by_amplitude, by_floor, alone = (
            table.index_select(0, steps.reshape(-1)).view(steps.shape) for table in self.reading
        )
        return torch.addcmul(alone, by_amplitude, ends[0]).addcmul_(by_floor, ends[1])

    def _stop(self, cells: Tensor, start: Tensor, end: Tensor, above: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The first step from ``start`` on at which each cell reads at or below its aim; ``end`` if none before it.

        Args:
            cells: ``[n]``; the last reading of each is kept if noise had a say in it.
            start: int32 ``[n]``.
            end: int32 ``[n]``.
            above: mean readings above the aim, of steps ``[together, m]`` and positions ``[m]`` in ``cells``.
        """
        step = torch.minimum(start, end)
        going = positions(step < end)
        while len(going):
            go_on()
            # Pulse by pulse as long as many cells go on: a reading that did not stop a cell says nothing about the
            # next. The last few look several steps ahead.
            together = min(max(1, _AT_ONCE // len(going)), len(self.volts))
            now, until = step.index_select(0, going), end.index_select(0, going)
            ahead = now + torch.arange(together, dtype=torch.int32, device=now.device)[:, None]
            chosen = cells.index_select(0, going)
            low, readings = self._at_or_below(
                above(ahead, going).expand(ahead.shape), self.aim.index_select(0, chosen)
            )
            low &= ahead < until
            stops, which = low[0], torch.zeros_like(going)
            if together > 1:
                which = low.to(torch.uint8).argmax(0)
                stops = low.gather(0, which[None])[0]
            stepped = torch.where(stops, now + which.int(), torch.minimum(now + together, until))
            step.scatter_(0, going, stepped)
            ends = stops | (stepped == until)
            # Of a cell that goes on no longer, the reading before the end.
            which = torch.where(stops, which, (until - 1 - now).clamp_(max=together - 1))
            ended = positions(ends)
            last = readings.gather(0, which[None])[0].index_select(0, ended)
            self.readings.scatter_(0, chosen.index_select(0, ended), last)
            going = going.index_select(0, positions(ends.logical_not_()))
        return step

    def _spend_moving(self, ends: Tensor, before: Tensor, first: Tensor, last: Tensor) -> None:
        """Power of the pulses from the first that moves a cell: the current halfway between before and after."""
        length = len(self.volts)
        entering, leaving = (
            torch.stack([_sums(steps, values, length) for values in (ends[0], ends[1], None)])
            for steps in (first, last + 1)
        )
        # Sums over the cells that a step moves, and over those of them that an earlier step has moved too.
        moved = entering.cumsum(1) - leaving.cumsum(1)
        earlier = moved - entering
        weights, offset = self.state_weights.double(), self.state_offset.double()
        after = weights[0] * moved[0] + weights[1] * moved[1] + offset * moved[2]
        start = _sums(first, before, length)
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
        # Of all cells that some pulse has left as they were, at the number of such pulses or more.
        counts, states = (
            _sums(idle, values, length + 1).flip(0).cumsum(0).flip(0)[1:] for values in (None, self.states_before)
        )
        self._spend(counts, states)
        low = threshold < self.circuit.voltage
        self.disturbing_reads = int((idle[low] + 1).sum())
        moving = self.volts < self.circuit.voltage
        if bool(moving.any()):
            steps = self.numbers[moving][:, None]
            self.disturbing_reads += int(((steps >= first) & (steps <= self.last)).sum())

    def _means(self, states: Tensor) -> Tensor:
        """Mean readings of cells in given states."""
        means: Tensor = states * (self.slope / self.circuit.unit)
        return means.add_(self.low / self.circuit.unit)

    def _at_or_below(self, above: Tensor, aim: Tensor) -> tuple[Tensor, Tensor]:
        """Which readings are at or below their aims, of mean readings so far above them; NaN where noise has no say.

        Args:
            above: ``[steps, cells]``.
            aim: ``[cells]``.

        Returns:
            bool and float32 ``[steps, cells]``.
        """
        low = above <= -self.margin
        readings = torch.full_like(low, math.nan, dtype=above.dtype)
        doubt = positions((above.abs() < self.margin).view(-1))
        if len(doubt):
            aims = aim.index_select(0, doubt % len(aim))
            drawn = self._noisy(above.reshape(-1).index_select(0, doubt).add_(aims))
            readings.view(-1).scatter_(0, doubt, drawn)
            low.view(-1).scatter_(0, doubt, drawn <= aims)
        return low, readings

    def _noisy(self, means: Tensor) -> Tensor:
        """Readings of cells whose mean readings are given."""
        currents = means * self.circuit.unit
        # The variance is affine in the state, and so in the current.
        offset, slope = (float(value) for value in self.variance)
        variance = ((currents - self.low) * (slope / self.slope)).add_(offset)
        noisy = currents.addcmul_(variance.clamp_(min=0).sqrt_(), self.normals(len(means)))
        return self.circuit.convert(noisy)


def _sums(steps: Tensor, values: Tensor | None, length: int) -> Tensor:
    """Sums of values, or counts without any, by step below a length: float64."""
    weights = torch.ones_like(steps, dtype=torch.float64) if values is None else values.double()
    if steps.device.type != "cpu":
        # Where there is a deterministic form of this alone.
        return weights.new_zeros(length + 1).index_add_(0, steps, weights)[:length]
    return torch.bincount(steps, weights, length + 1)[:length]
