"""Ramps of ``ramp`` as machine code of a CPU: the same bits, many times as fast.

Some hundred cells at a time: first those that stop as they are, then the next cycles of those that leave the
low-resistance state, then where each stops on its transition, found by bisection and by walking through the few steps
where the noise decides; last readings and sums come at the end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import compiled, part_of_compiled
from memrix.device.cell_kernels import BLOCK, WORD_BITS, WORD_MASK, WORDS, Keys, Words, draw_all, normal_of
from memrix.device.cell_numbers import BlockArrays, Floats, Integers, Technology
from memrix.device.cycle_kernels import begin_transitions, next_cycles
from memrix.device.ramp_plan import Circuit, Steps
from memrix.device.reading_kernels import converted, stop, wait
from memrix.device.search_kernels import falls_all_along, find_first, find_reached


class Ramped(NamedTuple):
    """The cells of a ramp.

    Attributes:
        positions: of the cells in their block.
        aims: of each of these, in units of the circuit.
        margins: of their readings, within which the noise decides.
        readings: the last one of each, to be filled.
        done: readings of every cell of the block so far; counted on.
        cycle_keys: of the stream of cycles.
        read_keys: of the stream of readings.
        largest: of all readings of the circuit.
        voltage: of the test, in V.
        disturbing: steps below it.
        top: the largest power of 2 that is not above the number of steps.
        per_unit: units of power in 1 W.
    """

    positions: Integers
    aims: Floats
    margins: Floats
    readings: Floats
    done: Integers
    cycle_keys: Keys
    read_keys: Keys
    largest: np.float32
    voltage: np.float32
    disturbing: int
    top: int
    per_unit: float


class Scratch(NamedTuple):
    """Room for what is found of the cells of a block of the index.

    Attributes:
        before: states before the ramp.
        firsts: the step that moves each cell first.
        pulses: that each takes.
        moving: positions of cells that move.
        leaving: of cells that leave the low-resistance state, in their block; then numbers of cells.
        reached: step before which no noise could stop each of the moving cells.
        draws: numbers of draws.
        watts: power of the pulses.
        drawn: words.
        bounds: thresholds; of moving cells, readings below which noise decides.
        ends: ``[2, cells]``: amplitudes and floors of the moving cells.
    """

    before: Floats
    firsts: Integers
    pulses: Integers
    moving: Integers
    leaving: Integers
    reached: Integers
    draws: Integers
    watts: npt.NDArray[np.float64]
    drawn: Words
    bounds: Floats
    ends: Floats


_ZERO = np.float32(0)


@part_of_compiled
def begin_block(
    block: BlockArrays, normals: Floats, circuit: Circuit, steps: Steps, cells: Ramped, scratch: Scratch, start: int
) -> tuple[int, int, int]:
    """Find the cells of a block of the index that stop as they are; returns how many move, leave, were disturbed."""
    states, numbers, set_threshold = block.r, block.numbers, block.set_threshold
    reset_threshold, index, aims, margins, done = (
        block.reset_threshold,
        cells.positions,
        cells.aims,
        cells.margins,
        cells.done,
    )
    before, firsts, pulses = scratch.before, scratch.firsts, scratch.pulses
    moving, leaving, bounds = scratch.moving, scratch.leaving, scratch.bounds
    count, all_steps = min(BLOCK, index.size - start), steps.weights.size
    moves, leaves, disturbed = 0, 0, 0
    for i in range(count):
        bounds[i] = reset_threshold[index[start + i]]
    find_first(firsts[:count], bounds[:count], steps.volts, cells.top)
    for i in range(count):
        at, cell = start + i, index[start + i]
        r, first = states[cell], min(firsts[i], all_steps)
        stopped = wait(
            circuit,
            cells.largest,
            normals,
            numbers[cell],
            done[cell],
            cells.read_keys,
            r,
            aims[at],
            margins[at],
            first,
        )
        before[i], firsts[i], pulses[i] = r, first, all_steps if stopped < 0 else stopped
        disturbed += min(first, pulses[i]) + 1 if bounds[i] < cells.voltage else 0
        moving[moves], leaving[leaves] = i, cell
        moves += stopped < 0 and first < all_steps
        leaves += stopped < 0 and first < all_steps and set_threshold[cell] == -np.inf
    return moves, leaves, disturbed


@part_of_compiled
def search_block(block: BlockArrays, steps: Steps, cells: Ramped, scratch: Scratch, start: int, moves: int) -> None:
    """Find the step before which no noise could stop the moving cells of a block, and draw the noise about it."""
    index, aims, margins, done = cells.positions, cells.aims, cells.margins, cells.done
    firsts, moving, reached, ends = scratch.firsts, scratch.moving, scratch.reached, scratch.ends
    bounds, own, draws = scratch.bounds, scratch.leaving, scratch.draws
    transition, numbers, readings, all_steps = block.transition, block.numbers, steps.readings, steps.weights.size
    for move in range(moves):
        i = moving[move]
        at, cell = start + i, index[start + i]
        reached[move], bounds[move] = firsts[i], aims[at] + margins[at]
        ends[0, move], ends[1, move] = transition[cell, 0], transition[cell, 1]
    find_reached(reached[:moves], readings, ends, bounds, cells.top)
    for move in range(moves):
        i = moving[move]
        at, cell = start + i, index[start + i]
        amplitude, floor = ends[0, move], ends[1, move]
        if aims[at] < _ZERO:
            reached[move] = all_steps
        elif not falls_all_along(steps.falling, steps.floors, amplitude, floor):
            step, bound = firsts[i], bounds[move]
            while amplitude * readings[0, step] + floor * readings[1, step] + readings[2, step] >= bound:
                step += 1
            reached[move] = step
        own[move], draws[move] = numbers[cell], (done[cell] + reached[move] + 1) >> WORD_BITS
    draw_all(scratch.drawn, own, draws, moves, cells.read_keys)


@part_of_compiled
def move_block(
    block: BlockArrays,
    normals: Floats,
    circuit: Circuit,
    steps: Steps,
    cells: Ramped,
    scratch: Scratch,
    start: int,
    moves: int,
) -> int:
    """Bring the moving cells of a block of the index to where they stop; returns how often readings disturbed."""
    states, numbers, reset_threshold, step_states = block.r, block.numbers, block.reset_threshold, steps.states
    index, aims, margins, done, volts = cells.positions, cells.aims, cells.margins, cells.done, steps.volts
    firsts, pulses, moving, reached = scratch.firsts, scratch.pulses, scratch.moving, scratch.reached
    ends, words, disturbed = scratch.ends, scratch.drawn.view(np.uint16), 0
    for move in range(moves):
        i = moving[move]
        at, cell = start + i, index[start + i]
        pulses[i], states[cell] = stop(
            circuit,
            cells.largest,
            normals,
            words,
            WORDS * move,
            step_states,
            reached[move],
            (ends[0, move], ends[1, move]),
            aims[at],
            margins[at],
            numbers[cell],
            done[cell],
            cells.read_keys,
        )
        reset_threshold[cell] = volts[pulses[i] - 1]
        disturbed += max(0, min(pulses[i], cells.disturbing) - firsts[i])
    return disturbed


@part_of_compiled
def read_block(
    block: BlockArrays, normals: Floats, circuit: Circuit, cells: Ramped, scratch: Scratch, start: int
) -> None:
    """Give the cells of a block of the index their last readings, and count all of them."""
    states, numbers, index, done, readings = block.r, block.numbers, cells.positions, cells.done, cells.readings
    pulses, own, draws, drawn = scratch.pulses, scratch.leaving, scratch.draws, scratch.drawn
    words, count = drawn.view(np.uint16), min(BLOCK, index.size - start)
    for i in range(count):
        cell = index[start + i]
        own[i], draws[i] = numbers[cell], (done[cell] + pulses[i]) >> WORD_BITS
    draw_all(drawn, own, draws, count, cells.read_keys)
    for i in range(count):
        cell = index[start + i]
        word = (done[cell] + pulses[i]) & WORD_MASK
        drawn_number = normal_of(normals, words[WORDS * i + word])
        readings[start + i] = converted(circuit, states[cell], drawn_number)
        done[cell] += pulses[i] + 1


@part_of_compiled
def power_of(block: BlockArrays, steps: Steps, cells: Ramped, scratch: Scratch, start: int, moves: int) -> int:
    """Power of all pulses of a block of the index, in units: the current in each halfway between before and after."""
    transition, index, watts = block.transition, cells.positions, scratch.watts
    before, firsts, pulses, moving = scratch.before, scratch.firsts, scratch.pulses, scratch.moving
    low, slope, weights = steps.low_sums, steps.slope_sums, steps.weights
    after, earlier = steps.after_sums, steps.before_sums
    count, power_sum = min(BLOCK, index.size - start), 0
    for i in range(count):
        watts[i] = low[pulses[i]] + slope[min(firsts[i], pulses[i])] * np.float64(before[i])
    for move in range(moves):
        i = moving[move]
        cell, first, last = index[start + i], firsts[i], pulses[i]
        by_amplitude = after[0, last] - after[0, first] + (earlier[0, last] - earlier[0, first + 1])
        by_floor = after[1, last] - after[1, first] + (earlier[1, last] - earlier[1, first + 1])
        alone = after[2, last] - after[2, first] + (earlier[2, last] - earlier[2, first + 1])
        moved = by_amplitude * np.float64(transition[cell, 0]) + by_floor * np.float64(transition[cell, 1]) + alone
        watts[i] += (moved + weights[first] * np.float64(before[i])) * 0.5
    for i in range(count):
        power_sum += int(np.rint(watts[i] * cells.per_unit))
    return power_sum


@compiled
def ramp(
    block: BlockArrays, technology: Technology, circuit: Circuit, steps: Steps, cells: Ramped
) -> tuple[int, int, int]:
    """Ramp cells of a block; returns pulses, power in units, and disturbing reads of all."""
    normals = technology.normals
    scratch = Scratch(
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.float64),
        np.empty(2 * BLOCK, np.uint64),
        np.empty(BLOCK, np.float32),
        np.empty((2, BLOCK), np.float32),
    )
    total, power_sum, disturbed = 0, 0, 0
    for start in range(0, cells.positions.size, BLOCK):
        moves, leaves, idle = begin_block(block, normals, circuit, steps, cells, scratch, start)
        next_cycles(block, technology, scratch.leaving[:leaves], cells.cycle_keys)
        begin_transitions(block, technology, scratch.leaving[:leaves])
        search_block(block, steps, cells, scratch, start, moves)
        disturbed += idle + move_block(block, normals, circuit, steps, cells, scratch, start, moves)
        power_sum += power_of(block, steps, cells, scratch, start, moves)
        for i in range(min(BLOCK, cells.positions.size - start)):
            total += scratch.pulses[i]
        read_block(block, normals, circuit, cells, scratch, start)
    return total, power_sum, disturbed
