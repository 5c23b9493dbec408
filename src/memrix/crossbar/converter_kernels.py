"""Conversions by ADCs with errors as compiled loops: the bits of ``converters.convert_with_errors_``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import part_of_compiled
from memrix.crossbar.converters import CAPACITORS, GAIN, LOWEST_BIT, OFFSET
from memrix.device.parameters import Array

Words = npt.NDArray[np.uint16]

WHOLE = np.float32(1 << 23)
"""float32 from here on are whole numbers."""
_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)


class Adcs(NamedTuple):
    """The ADCs of a crossbar.

    Attributes:
        errors: ``Converters.errors``, float32 ``[3 or 3 + bits, conversions]``; ``[0, 0]`` if all are ideal.
        noise: standard deviation of a conversion, in LSB.
        key0: of the stream of the noise, the low half.
        key1: the high half.
        words: memory for ``n * conversions`` words of that stream; empty without noise.
        limit: largest code.
    """

    errors: Array
    noise: np.float32
    key0: int
    key1: int
    words: Words
    limit: np.float32


@part_of_compiled
def convert_ideally(reading: Array, limit: np.float32, sums: Array) -> np.int32:
    """Convert readings in steps, and add them to sums; how many were clipped."""
    beyond = np.int32(0)
    for n in range(reading.size):
        whole = np.copysign(WHOLE, reading[n])
        steps = (reading[n] + whole) - whole
        within = min(max(steps, -limit), limit)
        beyond += np.int32(steps != within)
        sums[n] += within
    return beyond


@part_of_compiled
def convert_with_errors(reading: Array, adcs: Adcs, first: int, noise: Array, codes: Array, sums: Array) -> np.int32:
    """Convert readings in steps by ADCs with errors, and add them to sums.

    Args:
        reading: float32 ``[columns here]``, which is used up.
        adcs: that convert.
        first: the place of the first column in ``adcs.errors``.
        noise: normal numbers, one for each column; empty without noise.
        codes: memory, one element for each column.
        sums: of codes, likewise.

    Returns:
        How many conversions were clipped.
    """
    columns, errors = reading.size, adcs.errors
    gain, offset = errors[GAIN, first : first + columns], errors[OFFSET, first : first + columns]
    lowest_bit = errors[LOWEST_BIT, first : first + columns]
    for n in range(columns):
        reading[n] = reading[n] * gain[n] + offset[n]
    for n in range(noise.size):
        reading[n] += noise[n] * adcs.noise
    for n in range(columns):
        codes[n] = _ZERO
    if errors.shape[0] == CAPACITORS:
        clipped = convert_ideally(reading, adcs.limit, codes)
    else:
        clipped = _approximate(reading, adcs, first, codes)
    for n in range(columns):
        sums[n] += np.floor(codes[n] / lowest_bit[n]) * lowest_bit[n]
    return clipped


@part_of_compiled
def _approximate(rest: Array, adcs: Adcs, first: int, codes: Array) -> np.int32:
    """Find codes by successive approximation; how many inputs were beyond the range."""
    columns, limit = rest.size, adcs.limit
    clipped = np.int32(0)
    for n in range(columns):
        rest[n] += limit + _HALF
        clipped += np.int32((rest[n] < _ZERO) | (rest[n] >= _TWO * limit))
        codes[n] = -limit
    worth = limit
    for row in range(adcs.errors.shape[0] - 1, CAPACITORS - 1, -1):
        weights = adcs.errors[row, first : first + columns]
        for n in range(columns):
            kept = _ONE if rest[n] >= weights[n] else _ZERO
            rest[n] -= kept * weights[n]
            codes[n] += kept * worth
        worth *= _HALF
    return clipped
