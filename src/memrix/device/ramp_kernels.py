"""Ramps of ``ramp`` as machine code of a CPU: the same bits, many times as fast.

Some hundred cells at a time, in lanes: pulses before the ramp, then the cells that stop as they are, then the next
cycles of those that leave the low-resistance state, then where each stops on its transition, found by bisection and
by walking through the few steps where the noise decides. What is known of the cells stays in the fastest caches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from memrix._support.compilation import compiled, part_of_compiled
from memrix.device.cell_kernels import BLOCK, Keys
from memrix.device.cell_numbers import BlockArrays, Floats, Integers, Pulse, Technology
from memrix.device.cycle_kernels import begin_transitions, next_cycles
from memrix.device.pulse_kernels import apply_pulse
from memrix.device.ramp_lanes import Lanes, empty_lanes
from memrix.device.ramp_plan import Circuit, Limits, Steps
from memrix.device.reading_kernels import read_chosen
from memrix.device.search_kernels import falls_all_along, find_first, find_reached


class Ramped(NamedTuple):
    """The cells of a ramp, and what they have in common; arrays are of all cells of the block unless said otherwise.

    Attributes:
        active: positions of those that are ramped; then, the first of them, of those that are to be ramped again.
        aims: in units of the circuit.
        margins: of readings, within which the noise decides.
        wanted: readings.
        readings: the last one of each, to be filled.
        done: readings so far; counted on.
        cycle_keys: of the stream of cycles.
        read_keys: of the stream of readings.
        limits: of the ramp; cells whose last reading is beyond the tolerance are to be ramped again.
    """

    active: Integers
    aims: Floats
    margins: Floats
    wanted: Floats
    readings: Floats
    done: Integers
    cycle_keys: Keys
    read_keys: Keys
    limits: Limits


_ZERO = np.float32(0)


@part_of_compiled
def begin_block(block: BlockArrays, steps: Steps, ramped: Ramped, cells: Integers, lanes: Lanes) -> None:
    """Fill the lanes of cells before the ramp."""
    numbers, states, reset_threshold = block.numbers, block.r, block.reset_threshold
    done, aims, margins = ramped.done, ramped.aims, ramped.margins
    for i in range(cells.size):
        cell = cells[i]
        lanes.numbers[i], lanes.done[i] = numbers[cell], done[cell]
    for i in range(cells.size):
        cell = cells[i]
        lanes.before[i], lanes.thresholds[i] = states[cell], reset_threshold[cell]
        lanes.aims[i], lanes.margins[i], lanes.states[i] = aims[cell], margins[cell], lanes.before[i]
    find_first(lanes.firsts[: cells.size], lanes.thresholds[: cells.size], steps.volts, ramped.limits.top)


@part_of_compiled
def wait_block(
    technology: Technology, circuit: Circuit, steps: Steps, ramped: Ramped, count: int, lanes: Lanes
) -> int:
    """Find the lanes that a reading stops before any pulse moves them; returns how many move, in ``moving``."""
    normals, keys, all_steps = technology.normals, ramped.read_keys, np.uint32(steps.weights.size)
    states, aims, margins, last = lanes.states, lanes.aims, lanes.margins, lanes.last
    firsts, taken, limits, chosen, moving = lanes.firsts, lanes.taken, lanes.limits, lanes.chosen, lanes.moving
    for i in range(count):
        limits[i] = firsts[i] = min(firsts[i], all_steps)
    taken[:], last[:], going = np.uint32(0), np.float32(np.inf), 0
    for i in range(count):
        # Codes have ends: no reading is below 0, and none above the largest.
        above = states[i] * circuit.reading_slope + circuit.reading_low - aims[i]
        chosen[going] = i
        going += ((aims[i] >= _ZERO) & (above < margins[i])) | (aims[i] >= ramped.limits.largest)
    while going:
        going = read_chosen(circuit, normals, keys, lanes, going)
        for k in range(going):
            taken[chosen[k]] += 1
    moves, stay = 0, 0
    for i in range(count):
        goes_on = last[i] > aims[i]
        moving[moves], chosen[stay] = i, i
        moves += goes_on & (firsts[i] < all_steps)
        if goes_on & (firsts[i] == all_steps):
            taken[i] = all_steps
            stay += 1
    read_chosen(circuit, normals, keys, lanes, stay)
    return moves


@part_of_compiled
def leave_block(
    block: BlockArrays, technology: Technology, keys: Keys, cells: Integers, moves: int, lanes: Lanes
) -> None:
    """Let the moving cells that are ON enter their next cycle; amplitudes and floors of all that move."""
    set_threshold, transition, leaving, leaves = block.set_threshold, block.transition, lanes.leaving, 0
    amplitudes, floors, moving = lanes.amplitudes, lanes.floors, lanes.moving
    for m in range(moves):
        cell = cells[moving[m]]
        leaving[leaves] = cell
        leaves += set_threshold[cell] == -np.inf
    if leaves:
        next_cycles(block, technology, leaving[:leaves], keys)
        begin_transitions(block, technology, leaving[:leaves])
    for m in range(moves):
        lane = moving[m]
        cell = cells[lane]
        amplitudes[lane], floors[lane] = transition[cell, 0], transition[cell, 1]


@part_of_compiled
def search_block(steps: Steps, ramped: Ramped, count: int, moves: int, lanes: Lanes) -> None:
    """Find the step before which no noise could stop each of the moving lanes: pulses taken."""
    aims, margins, bounds, firsts, taken = lanes.aims, lanes.margins, lanes.bounds, lanes.firsts, lanes.taken
    amplitudes, floors, moving, readings = lanes.amplitudes, lanes.floors, lanes.moving, steps.readings
    reached, last_step = lanes.limits, np.uint32(steps.weights.size - 1)
    for i in range(count):
        reached[i], bounds[i] = firsts[i], aims[i] + margins[i]
    find_reached(reached[:count], readings, amplitudes[:count], floors[:count], bounds[:count], ramped.limits.top)
    for m in range(moves):
        lane = moving[m]
        amplitude, floor, step = amplitudes[lane], floors[lane], reached[lane]
        if not falls_all_along(steps.falling, steps.floors, amplitude, floor):
            step = firsts[lane]
            while amplitude * readings[0, step] + floor * readings[1, step] + readings[2, step] >= bounds[lane]:
                step += np.uint32(1)
        taken[lane] = last_step if aims[lane] < _ZERO else min(step, last_step)


@part_of_compiled
def walk_block(technology: Technology, circuit: Circuit, steps: Steps, keys: Keys, moves: int, lanes: Lanes) -> None:
    """Move lanes step by step to where they stop."""
    states, taken, chosen, moving, step_states = lanes.states, lanes.taken, lanes.chosen, lanes.moving, steps.states
    amplitudes, floors, limits = lanes.amplitudes, lanes.floors, lanes.limits
    limits[:] = steps.weights.size
    for m in range(moves):
        chosen[m] = moving[m]
    going = moves
    while going:
        for k in range(going):
            lane = chosen[k]
            step, amplitude, floor = taken[lane], amplitudes[lane], floors[lane]
            states[lane] = amplitude * step_states[0, step] + floor * step_states[1, step] + step_states[2, step]
            taken[lane] = step + 1
        going = read_chosen(circuit, technology.normals, keys, lanes, going)


@part_of_compiled
def power_of_ramp(steps: Steps, per_unit: float, count: int, moves: int, lanes: Lanes) -> int:
    """Power of all pulses of a ramp, in units: the current in each halfway between before and after."""
    watts, before, firsts, taken, moving = lanes.watts, lanes.before, lanes.firsts, lanes.taken, lanes.moving
    low, slope, weights = steps.low_sums, steps.slope_sums, steps.weights
    after, earlier, power_sum = steps.after_sums, steps.before_sums, 0
    for i in range(count):
        watts[i] = low[taken[i]] + slope[min(firsts[i], taken[i])] * np.float64(before[i])
    for m in range(moves):
        i = moving[m]
        first, last = firsts[i], taken[i]
        by_amplitude = after[0, last] - after[0, first] + (earlier[0, last] - earlier[0, first + 1])
        by_floor = after[1, last] - after[1, first] + (earlier[1, last] - earlier[1, first + 1])
        alone = after[2, last] - after[2, first] + (earlier[2, last] - earlier[2, first + 1])
        moved = by_amplitude * np.float64(lanes.amplitudes[i]) + by_floor * np.float64(lanes.floors[i]) + alone
        watts[i] += (moved + weights[first] * np.float64(before[i])) * 0.5
    for i in range(count):
        power_sum += int(np.rint(watts[i] * per_unit))
    return power_sum


@part_of_compiled
def end_block(
    block: BlockArrays, steps: Steps, ramped: Ramped, cells: Integers, moves: int, lanes: Lanes
) -> tuple[int, int]:
    """Leave the cells as the ramp has made them; returns pulses and disturbing readings of all."""
    states, reset_threshold, done, readings = block.r, block.reset_threshold, ramped.done, ramped.readings
    firsts, taken, last, moving = lanes.firsts, lanes.taken, lanes.last, lanes.moving
    pulses, disturbed = 0, 0
    for i in range(cells.size):
        cell = cells[i]
        states[cell], readings[cell] = lanes.states[i], last[i]
        done[cell] = lanes.done[i] + taken[i] + 1
        pulses += taken[i]
        disturbed += (min(firsts[i], taken[i]) + 1) * (lanes.thresholds[i] < ramped.limits.voltage)
    for m in range(moves):
        lane = moving[m]
        reset_threshold[cells[lane]] = steps.volts[taken[lane] - np.uint32(1)]
        disturbed += max(0, min(int(taken[lane]), ramped.limits.disturbing) - int(firsts[lane]))
    return pulses, disturbed


@compiled
def ramp(
    block: BlockArrays,
    technology: Technology,
    circuit: Circuit,
    steps: Steps,
    ramped: Ramped,
    pulses_before: tuple[Pulse, Pulse],
) -> tuple[int, int, int, int]:
    """Ramp cells of a block after two pulses; returns pulses of the ramp, power of all in units, disturbing readings.

    And how many cells are to be ramped again.
    """
    active, wanted, tolerance, lanes = ramped.active, ramped.wanted, ramped.limits.tolerance, empty_lanes()
    pulses, power, disturbed, again = 0, 0, 0, 0
    for start in range(0, active.size, BLOCK):
        cells = active[start : min(start + BLOCK, active.size)]
        for pulse in pulses_before:
            power += apply_pulse(block, technology, pulse, cells, ramped.cycle_keys, lanes)
        begin_block(block, steps, ramped, cells, lanes)
        moves = wait_block(technology, circuit, steps, ramped, cells.size, lanes)
        leave_block(block, technology, ramped.cycle_keys, cells, moves, lanes)
        search_block(steps, ramped, cells.size, moves, lanes)
        walk_block(technology, circuit, steps, ramped.read_keys, moves, lanes)
        power += power_of_ramp(steps, ramped.limits.per_unit, cells.size, moves, lanes)
        taken, doubtful = end_block(block, steps, ramped, cells, moves, lanes)
        pulses, disturbed = pulses + taken, disturbed + doubtful
        for i in range(cells.size):
            cell = cells[i]
            active[again] = cell
            again += abs(lanes.last[i] - wanted[cell]) > tolerance
    return pulses, power, disturbed, again
