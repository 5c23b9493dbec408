"""Where cells stop in a ramp, by bisection, as machine code of a CPU."""

from __future__ import annotations

import numpy as np

from memrix._support.compilation import part_of_compiled
from memrix.device.cell_numbers import Floats
from memrix.device.ramp_lanes import Steps32

_ONE = np.uint32(1)


# Cell by cell in the loops inside: their searches do not wait for each other, and none of them branches.


@part_of_compiled
def find_first(firsts: Steps32, thresholds: Floats, volts: Floats, top: int) -> None:
    """The step that moves each cell first: with it the voltage exceeds the threshold; ``volts``: of ``Steps``."""
    firsts[:] = 0
    stride = np.uint32(top)
    while stride:
        for i in range(firsts.size):
            passed = volts[firsts[i] + stride - _ONE] <= thresholds[i]
            firsts[i] += stride if passed else np.uint32(0)
        stride >>= _ONE


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
def find_reached(
    reached: Steps32, readings: Floats, amplitudes: Floats, floors: Floats, bounds: Floats, top: int
) -> None:
    """The first step after which the mean reading of each cell is below a bound, where readings fall all along.

    To rounding, for which the margin of readings has room.

    Args:
        reached: the first step that moves each cell; overwritten. The number of steps: no reading is below.
        readings: of ``Steps``.
        amplitudes: of transitions.
        floors: of these.
        bounds: of readings.
        top: the largest power of 2 that is not above the number of steps.
    """
    by_amplitude, by_floor, alone = readings[0], readings[1], readings[2]
    stride = np.uint32(top)
    while stride:
        for i in range(reached.size):
            at = reached[i] + stride - _ONE
            above = amplitudes[i] * by_amplitude[at] + floors[i] * by_floor[at] + alone[at] >= bounds[i]
            reached[i] += stride if above else np.uint32(0)
        stride >>= _ONE
