"""Where cells stop in a ramp, by bisection, as machine code of a CPU."""

from __future__ import annotations

import numpy as np

from memrix._support.compilation import part_of_compiled
from memrix.device.cell_numbers import Floats, Integers


@part_of_compiled
def find_first(firsts: Integers, thresholds: Floats, volts: Floats, top: int) -> None:
    """The step that moves each cell first: with it the voltage exceeds the threshold; ``volts``: of ``Steps``."""
    firsts[:] = 0
    stride = top
    while stride:
        # Cell by cell inside: their searches do not wait for each other, and none of them branches.
        for i in range(firsts.size):
            firsts[i] += stride * (volts[firsts[i] + stride - 1] <= thresholds[i])
        stride >>= 1


@part_of_compiled
def falls_all_along(falling: Floats, floors: Floats, amplitude: np.float32, floor: np.float32) -> bool:
    """Whether it is known that the reading of a cell falls at every step: see ``Steps``."""
    position = (floor - floors[0]) * floors[1]
    segment = int(position)
    if position < 0 or segment >= falling.size - 1:
        return False
    low, high = falling[segment], falling[segment + 1]
    return bool(amplitude > low + (high - low) * (position - np.float32(segment)))


@part_of_compiled
def find_reached(reached: Integers, readings: Floats, ends: Floats, bounds: Floats, top: int) -> None:
    """The first step after which the mean reading of each cell is below a bound, where readings fall all along.

    To rounding, for which the margin of readings has room.

    Args:
        reached: the first step that moves each cell; overwritten. The number of steps: no reading is below.
        readings: of ``Steps``.
        ends: ``[2, cells]``: amplitudes and floors.
        bounds: of readings.
        top: the largest power of 2 that is not above the number of steps.
    """
    by_amplitude, by_floor, alone = readings[0], readings[1], readings[2]
    amplitudes, floors = ends[0], ends[1]
    stride = top
    while stride:
        for i in range(reached.size):
            at = reached[i] + stride - 1
            reading = amplitudes[i] * by_amplitude[at] + floors[i] * by_floor[at] + alone[at]
            reached[i] += stride * (reading >= bounds[i])
        stride >>= 1
