"""Ramps of ``ramp`` as machine code of a CPU, cell by cell: the same bits, several times as fast."""

from __future__ import annotations

import numpy as np

from memrix._support.compilation import compiled, part_of_compiled
from memrix.device.cell_kernels import draw, feature_of, next_scores, transition_of
from memrix.device.cell_numbers import BlockArrays, Floats, Integers, Technology
from memrix.device.parameters import HRS, SET_VOLTAGE
from memrix.device.ramp_plan import Circuit, Steps
from memrix.device.variability import COUNT

Keys = tuple[np.uint64, np.uint64]

_AT_ONCE = 8  # readings at one counter, one a word
_16 = np.uint64(16)
_HALF_WORD = np.uint64(0xFFFF)
_ZERO = np.float32(0)
_CERTAINLY_NOT, _DOUBTFUL, _CERTAINLY = 0, 1, 2


@part_of_compiled
def read(circuit: Circuit, normals: Floats, number: int, reading: int, keys: Keys, r: np.float32) -> np.float32:
    """A reading of a cell in state ``r``: its number, and how many it had before."""
    c0, c1, c2, c3 = draw(number, reading // _AT_ONCE, keys)
    word = reading % _AT_ONCE
    half = c0 if word < 2 else c1 if word < 4 else c2 if word < 6 else c3
    drawn = normals[half >> _16 if word % 2 else half & _HALF_WORD]
    noise = drawn * np.sqrt(max(r * circuit.variance_slope + circuit.variance, _ZERO))
    codes = (r * circuit.slope + circuit.low + noise) * circuit.codes_per_ampere
    return np.float32(np.rint(min(max(codes, _ZERO), circuit.largest_code)) * circuit.step)


@part_of_compiled
def verdict(circuit: Circuit, r: np.float32, aim: np.float32, margin: np.float32, never: bool, always: bool) -> int:
    """Whether a reading is at or below the aim, as far as no noise decides."""
    if always:
        return _CERTAINLY
    above = r * circuit.reading_slope + circuit.reading_low - aim
    if never or above >= margin:
        return _CERTAINLY_NOT
    return _CERTAINLY if above <= -margin else _DOUBTFUL


@part_of_compiled
def first_in_reach(
    readings: Floats,
    falls: bool,
    top: int,
    amplitude: np.float32,
    floor: np.float32,
    bound: np.float32,
    first: int,
) -> int:
    """The first step from ``first`` on after which the mean reading of a cell is below a bound; their number if none.

    To rounding, for which the margin of readings has room.

    Args:
        readings: of ``Steps``.
        falls: whether the reading falls at every step.
        top: the largest power of 2 that is not above the number of steps.
        amplitude: of the transition.
        floor: likewise.
        bound: of the reading.
        first: step.
    """
    if falls:
        before, stride = first - 1, top
        while stride:
            at = before + stride
            reading = amplitude * readings[0, at] + floor * readings[1, at] + readings[2, at]
            before = at if reading >= bound else before
            stride >>= 1
        return before + 1
    step = first
    while amplitude * readings[0, step] + floor * readings[1, step] + readings[2, step] >= bound:
        step += 1
    return step


@part_of_compiled
def falls_all_along(falling: Floats, floors: Floats, amplitude: np.float32, floor: np.float32) -> bool:
    """Whether it is known that the reading of a cell falls at every step: see ``Steps``."""
    position = (floor - floors[0]) * floors[1]
    segment = int(position)
    if position < 0 or segment >= falling.size - 1:
        return False
    low, high = falling[segment], falling[segment + 1]
    return bool(amplitude > low + (high - low) * (position - np.float32(segment)))


@compiled
def ramp(
    block: BlockArrays,
    technology: Technology,
    circuit: Circuit,
    steps: Steps,
    index: Integers,
    aims: Floats,
    margins: Floats,
    largest_reading: np.float32,
    done: Integers,
    cycle_keys: Keys,
    read_keys: Keys,
    disturbing: int,
    voltage: np.float32,
    per_unit: float,
    readings: Floats,
) -> tuple[int, int, int]:
    """Ramp the cells of an index; returns pulses, power in units, and disturbing reads of all.

    Args:
        block: the cells.
        technology: of the cells.
        circuit: that reads them.
        steps: of the ramp.
        index: of the cells.
        aims: of each in the index.
        margins: of their readings, within which the noise decides.
        largest_reading: of the circuit.
        done: readings of every cell of the block so far; counted on.
        cycle_keys: of the stream of cycles.
        read_keys: of the stream of readings.
        disturbing: steps below the test voltage.
        voltage: of the test, in V.
        per_unit: units of power in 1 W.
        readings: the last one of each in the index, to be filled.
    """
    # Out of their tuples, once.
    normals, innovation, weights = technology.normals, technology.innovation, technology.weights
    polynomials, low, per_low = technology.polynomials, technology.conductance, technology.per_conductance
    current_low, current_slope = technology.low, technology.slope
    full_reset, exponent = technology.full_reset, technology.exponent
    full_low, full_slope = technology.full_low, technology.full_slope
    states, devices, history, cycles = block.r, block.devices, block.history, block.cycles
    features, numbers, transition = block.features, block.numbers, block.transition
    set_threshold, reset_threshold = block.set_threshold, block.reset_threshold
    volts, step_states, step_readings = steps.volts, steps.states, steps.readings
    falling, floors, power_weights = steps.falling, steps.floors, steps.weights
    low_sums, slope_sums, after, earlier = steps.low_sums, steps.slope_sums, steps.after_sums, steps.before_sums
    count, top = volts.size, 1
    while 2 * top <= count:
        top *= 2
    total, power, disturbed = 0, 0, 0
    for at in range(index.size):
        cell, aim, margin = index[at], aims[at], margins[at]
        never, always = aim < _ZERO, aim >= largest_reading
        before, threshold, number, read_before = states[cell], reset_threshold[cell], numbers[cell], done[cell]
        # The step that moves the cell first: with it the voltage exceeds the threshold.
        first, stride = 0, top
        while stride:
            if first + stride <= count and volts[first + stride - 1] <= threshold:
                first += stride
            stride >>= 1
        pulses, moved, stopped = count, False, False
        # It may stop as it is, any time until a pulse moves it.
        waiting = verdict(circuit, before, aim, margin, never, always)
        if waiting == _CERTAINLY:
            pulses, stopped = 0, True
        elif waiting == _DOUBTFUL:
            for reading in range(first + 1):
                if read(circuit, normals, number, read_before + reading, read_keys, before) <= aim:
                    pulses, stopped = reading, True
                    break
        r = before
        if not stopped and first < count:
            moved = True
            if set_threshold[cell] == -np.inf:
                cycle = cycles[cell] + 1
                cycles[cell] = cycle
                c0, c1, _, _ = draw(number, cycle, cycle_keys)
                scores = next_scores(innovation, weights, history, cell, normals, c0, c1)
                for f in range(COUNT):
                    features[f, cell] = feature_of(
                        polynomials, low, per_low, f, devices[f, cell], devices[f + COUNT, cell], scores[f]
                    )
                set_threshold[cell] = features[SET_VOLTAGE, cell]
                floor = features[HRS, cell] * full_slope + full_low
                transition[cell, 0] = transition_of(
                    current_low, current_slope, full_reset, exponent, before, threshold, floor
                )
                transition[cell, 1] = floor
            amplitude, floor = transition[cell, 0], transition[cell, 1]
            # Before, no noise could stop it.
            reached = count
            if not never:
                falls = falls_all_along(falling, floors, amplitude, floor)
                reached = first_in_reach(step_readings, falls, top, amplitude, floor, aim + margin, first)
            for step in range(min(reached, count - 1), count):
                r = amplitude * step_states[0, step] + floor * step_states[1, step] + step_states[2, step]
                verdict_here = verdict(circuit, r, aim, margin, never, always)
                if verdict_here == _CERTAINLY or (
                    verdict_here == _DOUBTFUL
                    and read(circuit, normals, number, read_before + step + 1, read_keys, r) <= aim
                ):
                    pulses = step + 1
                    break
            states[cell] = r
            reset_threshold[cell] = volts[pulses - 1]
        readings[at] = read(circuit, normals, number, read_before + pulses, read_keys, r)
        done[cell] = read_before + pulses + 1
        total += pulses
        idle = min(first, pulses)
        if threshold < voltage:
            disturbed += idle + 1
        watts = low_sums[pulses] + slope_sums[idle] * np.float64(before)
        if moved:
            disturbed += max(0, min(pulses, disturbing) - first)
            by_amplitude = after[0, pulses] - after[0, first] + (earlier[0, pulses] - earlier[0, first + 1])
            by_floor = after[1, pulses] - after[1, first] + (earlier[1, pulses] - earlier[1, first + 1])
            alone = after[2, pulses] - after[2, first] + (earlier[2, pulses] - earlier[2, first + 1])
            moving = by_amplitude * np.float64(amplitude) + by_floor * np.float64(floor) + alone
            watts += (moving + power_weights[first] * np.float64(before)) * 0.5
        power += int(np.rint(watts * per_unit))
    return total, power, disturbed
