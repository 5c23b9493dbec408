"""Fresh cells that are SET and ramped, as machine code of a CPU: the course that nearly all of them take.

Of such cells nothing is kept but where they end. A tile of them goes all the way in the fastest caches, cell by cell
in the order of their numbers, and of a cycle only what the ramp sees is computed. A cell that leaves this course at
any point is left: ``pulse_kernels`` and ``ramp_kernels`` take it through all that cells can do, from the start.
"""

from __future__ import annotations

import numpy as np

from memrix._support.compilation import compiled, part_of_compiled
from memrix.device.cell_kernels import (
    BLOCK,
    WORD_BITS,
    WORD_MASK,
    WORDS,
    Keys,
    components_of,
    draw_all,
    feature_of,
    innovation_of,
    normal_of,
    polynomial_of,
    power,
)
from memrix.device.cell_numbers import Floats, Integers, Technology
from memrix.device.fresh_kernels import first_feature, look_up
from memrix.device.fresh_ramp_tile import Course, Tile, empty_tile
from memrix.device.parameters import HRS, LRS, RESET_VOLTAGE, SET_VOLTAGE
from memrix.device.ramp_plan import Circuit, Steps
from memrix.device.reading_kernels import convert
from memrix.device.search_kernels import falls_all_along, find_first, find_reached
from memrix.device.variability import COUNT

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.uint32(1)


@part_of_compiled
def begin_tile(technology: Technology, course: Course, first: int, tile: Tile) -> None:
    """Draw the devices and first cycles of cells from number ``first`` on."""
    normals, numbers, draws, z, e = technology.normals, tile.numbers, tile.draws, tile.z, tile.e
    words, components, everyone = tile.words.view(np.uint16), tile.components, tile.everyone
    for i in range(BLOCK):
        numbers[i], draws[i] = first + i, 1
    draw_all(tile.words, numbers, draws, BLOCK, course.device_keys)
    look_up(z[2 * COUNT - 1 :], normals, words, 0, everyone)
    for i in range(BLOCK):
        draws[i] = 0
    draw_all(tile.words, numbers, draws, BLOCK, course.device_keys)
    components_of(components, words, technology.edges)
    look_up(z[: 2 * COUNT - 1], normals, words, 1, everyone)
    draw_all(tile.words, numbers, draws, BLOCK, course.cycle_keys)
    look_up(e, normals, words, 0, everyone)
    for feature in range(COUNT):
        first_feature(tile.features[feature], tile.first_cycle[feature], technology, feature, z, e, components)


@part_of_compiled
def set_tile(steps: Steps, course: Course, tile: Tile) -> None:
    """SET the cells: what that takes, and the first step of the ramp that moves each."""
    pulse, leaves, features, units = course.set_pulse, tile.leaves, tile.features, tile.units
    low, high, sets, resets = features[LRS], features[HRS], features[SET_VOLTAGE], features[RESET_VOLTAGE]
    for i in range(BLOCK):
        leaves[i] = (sets[i] < pulse.volts) | (resets[i] < course.limits.voltage)
        watts = ((high[i] + low[i]) * _HALF * pulse.slope + pulse.low) * pulse.volts
        units[i] = np.rint((watts if watts > _ZERO else _ZERO) * pulse.per_unit)
    find_first(tile.firsts, resets, steps.volts, course.limits.top)


@part_of_compiled
def next_feature(technology: Technology, feature: int, tile: Tile) -> None:
    """A feature of the second cycle, as ``value``."""
    score, newest = tile.score, technology.weights.shape[0] - COUNT
    innovation_of(score, technology.innovation, feature, tile.e)
    for remembered in range(COUNT):
        own, weight = tile.first_cycle[remembered, 2], technology.weights[newest + remembered, feature]
        for i in range(BLOCK):
            score[i] = score[i] + weight * own[i]
    offset, scale = tile.first_cycle[feature, 0], tile.first_cycle[feature, 1]
    polynomials, conductance, per_conductance = (
        technology.polynomials,
        technology.conductance,
        technology.per_conductance,
    )
    feature_of(tile.value, polynomials, conductance, per_conductance, feature, offset, scale, score)


@part_of_compiled
def leave_tile(technology: Technology, course: Course, tile: Tile) -> None:
    """Let the cells enter their next cycle: amplitudes and floors of transitions."""
    value, score, leaves, amplitudes, floors = tile.value, tile.score, tile.leaves, tile.amplitudes, tile.floors
    start, state = tile.features[RESET_VOLTAGE], tile.features[LRS]
    for i in range(BLOCK):
        tile.draws[i] = 1
    draw_all(tile.words, tile.numbers, tile.draws, BLOCK, course.cycle_keys)
    look_up(tile.e[:2], technology.normals, tile.words.view(np.uint16), 0, tile.everyone)
    if course.lowest < _ZERO:
        next_feature(technology, SET_VOLTAGE, tile)
        for i in range(BLOCK):
            leaves[i] |= value[i] >= course.lowest
    next_feature(technology, HRS, tile)
    full_low, full_slope = technology.full_low, technology.full_slope
    for i in range(BLOCK):
        floors[i] = value[i] * full_slope + full_low
    polynomial_of(value, technology.low, start, BLOCK)
    polynomial_of(score, technology.slope, start, BLOCK)
    full_reset, exponent = technology.full_reset, technology.exponent
    for i in range(BLOCK):
        amplitudes[i] = (value[i] + state[i] * score[i] - floors[i]) / power(abs(full_reset - start[i]), exponent)


@part_of_compiled
def search_tile(circuit: Circuit, steps: Steps, course: Course, tile: Tile) -> None:
    """Find the step before which no noise could stop each cell: pulses taken."""
    aims, bounds, firsts, taken, leaves = tile.aims, tile.bounds, tile.firsts, tile.taken, tile.leaves
    amplitudes, floors, state = tile.amplitudes, tile.floors, tile.features[LRS]
    last, disturbing = np.uint32(steps.weights.size) - _ONE, np.uint32(course.limits.disturbing)
    for i in range(BLOCK):
        leaves[i] |= (
            (aims[i] < _ZERO) | (aims[i] >= course.limits.largest) | (firsts[i] > last) | (firsts[i] < disturbing)
        )
        # Before it moves, a cell may stop too: at once or, where the noise decides, some time.
        leaves[i] |= state[i] * circuit.reading_slope + circuit.reading_low < bounds[i]
        firsts[i] = min(firsts[i], last)
        taken[i] = firsts[i]
    find_reached(taken, steps.readings, amplitudes, floors, bounds, course.limits.top)
    for i in range(BLOCK):
        leaves[i] |= not falls_all_along(steps.falling, steps.floors, amplitudes[i], floors[i])
        taken[i] = min(taken[i], last)


@part_of_compiled
def walk_tile(technology: Technology, circuit: Circuit, steps: Steps, keys: Keys, count: int, tile: Tile) -> None:
    """Move cells step by step to where they stop."""
    states, taken, going, draws, by_step = tile.states, tile.taken, tile.going, tile.draws, steps.states
    amplitudes, floors, values, noise = tile.amplitudes, tile.floors, tile.value, tile.normals
    words, all_steps, still = tile.words.view(np.uint16), np.uint32(steps.weights.size), 0
    for i in range(BLOCK):
        draws[i] = (taken[i] + _ONE) >> WORD_BITS
    draw_all(tile.words, tile.numbers, draws, BLOCK, keys)
    for i in range(count):
        going[still] = i
        still += not tile.leaves[i]
    while still:
        for k in range(still):
            i = going[k]
            step = taken[i]
            state = amplitudes[i] * by_step[0, step] + floors[i] * by_step[1, step] + by_step[2, step]
            states[i], values[k], taken[i] = state, state, step + _ONE
            noise[k] = normal_of(technology.normals, words[WORDS * i + (taken[i] & WORD_MASK)])
        convert(values, noise, circuit, still)
        read, still = still, 0
        for k in range(read):
            i = going[k]
            tile.last[i], going[still] = values[k], i
            still += (values[k] > tile.aims[i]) & (taken[i] < all_steps)
        # Eight readings in a row are of one draw.
        for k in range(still):
            i = going[k]
            draws[i] = (taken[i] + _ONE) >> WORD_BITS
            if (taken[i] + _ONE) & WORD_MASK == 0:
                draw_all(tile.words[2 * i :], tile.numbers[i:], draws[i:], 1, keys)


@part_of_compiled
def power_of_tile(steps: Steps, per_unit: float, tile: Tile) -> None:
    """Add the power of a ramp: the current in each pulse halfway between before and after, as ``power_of_ramp``."""
    units, before, firsts, taken = tile.units, tile.features[LRS], tile.firsts, tile.taken
    low, slope, weights = steps.low_sums, steps.slope_sums, steps.weights
    after, earlier = steps.after_sums, steps.before_sums
    for i in range(BLOCK):
        first, last = firsts[i], taken[i]
        by_amplitude = after[0, last] - after[0, first] + (earlier[0, last] - earlier[0, first + 1])
        by_floor = after[1, last] - after[1, first] + (earlier[1, last] - earlier[1, first + 1])
        alone = after[2, last] - after[2, first] + (earlier[2, last] - earlier[2, first + 1])
        moved = by_amplitude * np.float64(tile.amplitudes[i]) + by_floor * np.float64(tile.floors[i]) + alone
        watts = low[last] + slope[first] * np.float64(before[i])
        watts += (moved + weights[first] * np.float64(before[i])) * 0.5
        units[i] += np.rint(watts * per_unit)


@part_of_compiled
def end_tile(
    state: Floats, left: Integers, leaving: int, start: int, steps: Steps, course: Course, tile: Tile
) -> tuple[int, int, int]:
    """Where cells have ended; returns how many are left so far, and pulses and power of the others of the tile."""
    taken, leaves, last, states, pulses, power_sum = tile.taken, tile.leaves, tile.last, tile.states, 0, 0
    for i in range(min(BLOCK, state.size - start)):
        off = abs(last[i] - tile.wanted[i]) > course.limits.tolerance
        within_reach = (course.highest > _ZERO) & (steps.volts[taken[i] - _ONE] < course.highest)
        stays = not (leaves[i] | off | within_reach)
        state[start + i], left[leaving] = states[i], start + i
        leaving += not stays
        pulses += int(taken[i]) * stays
        power_sum += int(tile.units[i]) * stays
    return leaving, pulses, power_sum


@compiled
def ramp_fresh(
    state: Floats,
    left: Integers,
    first: int,
    aims: Floats,
    margins: Floats,
    wanted: Floats,
    technology: Technology,
    circuit: Circuit,
    steps: Steps,
    course: Course,
) -> tuple[int, int, int]:
    """SET and ramp fresh cells, consecutive ones.

    Args:
        state: to be filled, of all cells but those that are left.
        left: to be filled with the positions of these; one longer than ``state``.
        first: number of the first cell.
        aims: of readings.
        margins: of readings, within which the noise decides.
        wanted: readings.
        technology: of the cells.
        circuit: that reads them back.
        steps: of the ramp.
        course: what the cells have in common.

    Returns:
        How many cells are left, and pulses of the ramp and units of power of all others.
    """
    tile, leaving, pulses, power_sum = empty_tile(), 0, 0, 0
    for start in range(0, state.size, BLOCK):
        count = min(BLOCK, state.size - start)
        for i in range(count):
            tile.aims[i], tile.wanted[i] = aims[start + i], wanted[start + i]
            tile.bounds[i] = aims[start + i] + margins[start + i]
        begin_tile(technology, course, first + start, tile)
        set_tile(steps, course, tile)
        leave_tile(technology, course, tile)
        search_tile(circuit, steps, course, tile)
        walk_tile(technology, circuit, steps, course.read_keys, count, tile)
        power_of_tile(steps, course.limits.per_unit, tile)
        leaving, taken, units = end_tile(state, left, leaving, start, steps, course, tile)
        pulses, power_sum = pulses + taken, power_sum + units
    return leaving, pulses, power_sum
