"""Loops over readings on a CPU, compiled on first use: one pass where tensor operations take one each.

Shapes: groups, tiles of rows, vectors, columns (planes times outputs), outputs. Vectors are those of all items that
share their noise, one item after the other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import compiled
from memrix._support.random import Words
from memrix.device.parameters import Array

Axes = tuple[int, ...]

_WHOLE = np.float32(1 << 23)  # float32 from here on are whole numbers
_ZERO = np.float32(0)


@compiled
def _place(codes: Array, rest: int, size: int, places: npt.NDArray[np.uint32]) -> bool:
    # What is no code finds a place too, and is told: nothing else checks bounds.
    zero, last = np.int32(rest), np.uint32(size - 1)
    beyond = False
    for n in range(codes.size):
        place = np.uint32(np.int32(codes[n]) + zero)
        beyond |= bool(place > last)
        places[n] = min(place, last)
    return beyond


@compiled
def look_up(
    codes: Array,
    strides: Axes,
    sizes: Axes,
    rest: int,
    tables: Array,
    rows: int,
    inputs_last: bool,
    means: Array,
    slopes: Array,
    offsets: Array,
) -> bool:
    """Values of the tables of the mean, and of noise where there is any, at DAC codes.

    Args:
        codes: flat; int16 or whole float32.
        strides: of the axes of ``sizes`` in it, the last of them 1.
        sizes: ``[groups, items, vectors, inputs]``, or ``[groups, inputs, items, vectors]``.
        rest: position of code 0 in the tables.
        tables: float32 ``[3, codes]``, or ``[1, codes]`` without noise.
        rows: of a tile.
        inputs_last: which of the two orders ``sizes`` has.
        means: takes those of the first table, float32 of ``sizes``.
        slopes: takes those of the second, if there is one.
        offsets: takes the sums of the third over the inputs of a tile, ``[groups, tiles, vectors]``, if there is one.

    Returns:
        Whether all were codes.
    """
    # Of a single table all three are views; the last two are not looked at then.
    mean, slope, offset = tables[0], tables[len(tables) // 2], tables[-1]
    places = np.empty(sizes[3], np.uint32)
    beyond = False
    for i in range(sizes[0]):
        offsets[i] = _ZERO
        for j in range(sizes[1]):
            for k in range(sizes[2]):
                start = i * strides[0] + j * strides[1] + k * strides[2]
                beyond |= _place(codes[start : start + sizes[3]], rest, mean.size, places)
                means_here, slopes_here = means[i, j, k], slopes[i, j, k]
                for n in range(sizes[3]):
                    means_here[n] = mean[places[n]]
                if len(tables) == 1:
                    continue
                for n in range(sizes[3]):
                    slopes_here[n] = slope[places[n]]
                if inputs_last:
                    for tile in range(offsets.shape[1]):
                        total = _ZERO
                        for place in places[tile * rows : (tile + 1) * rows]:
                            total += offset[place]
                        offsets[i, tile, j * sizes[2] + k] = total
                else:
                    sums = offsets[i, j // rows, k * sizes[3] : (k + 1) * sizes[3]]
                    for n in range(sizes[3]):
                        sums[n] += offset[places[n]]
    return not beyond


@compiled
def disturb(readings: Array, variances: Array, offsets: Array, words: Words, quantiles: Array) -> None:
    """Add noise to readings.

    Args:
        readings: float32 ``[groups, tiles, items * vectors, columns]``.
        variances: of the same shape, without what the offsets add to all columns.
        offsets: ``[groups, tiles, items * vectors]``.
        words: random uint16 ``[groups, tiles, vectors, columns]``: items share their noise.
        quantiles: the normal number that each word stands for, float32 ``[65536]``.
    """
    groups, tiles, count, columns = readings.shape
    for i in range(groups):
        for j in range(tiles):
            for k in range(count):
                reading, variance, offset = readings[i, j, k], variances[i, j, k], offsets[i, j, k]
                drawn = words[i, j, k % words.shape[2]]
                for n in range(columns):
                    # A cell in a million conducts against a voltage of some mV; its share of the variance is below 0.
                    reading[n] += np.sqrt(max(variance[n] + offset, _ZERO)) * quantiles[drawn[n]]


@compiled
def _convert(reading: Array, limit: np.float32, sums: Array) -> np.int32:
    beyond = np.int32(0)
    for n in range(reading.size):
        # Added to what has only whole neighbors, a number is rounded to the nearest, of two to the even one.
        whole = np.copysign(_WHOLE, reading[n])
        steps = (reading[n] + whole) - whole
        within = min(max(steps, -limit), limit)
        beyond += np.int32(steps != within)
        sums[n] += within
    return beyond


@compiled
def _combine(sums: Array, planes: int, base: np.float32, result: Array) -> None:
    outputs = result.size
    result[:] = sums[(planes - 1) * outputs :]
    for plane in range(planes - 2, -1, -1):
        lower = sums[plane * outputs : (plane + 1) * outputs]
        for n in range(outputs):
            result[n] = result[n] * base + lower[n]


@compiled
def convert(
    readings: Array,
    limit: np.float32,
    planes: int,
    base: np.float32,
    results: Array,
    first: int,
    start: int,
    vectors: int,
) -> int:
    """Convert readings, and add up tiles and planes.

    Args:
        readings: float32 ``[groups, tiles, items * vectors, columns]`` in ADC steps.
        limit: largest code of the ADC, float32.
        planes: of the columns, from the lowest.
        base: what a step of a plane is worth in steps of the one below it, float32.
        results: take the sums, float32 ``[groups, any, any, outputs]``.
        first: where on its second axis they belong.
        start: where on its third.
        vectors: of an item.

    Returns:
        How many conversions were clipped.
    """
    groups, tiles, count, columns = readings.shape
    sums = np.empty(columns, np.float32)
    clipped = 0
    for i in range(groups):
        for k in range(count):
            sums[:] = _ZERO
            for j in range(tiles):
                clipped += int(_convert(readings[i, j, k], limit, sums))
            _combine(sums, planes, base, results[i, first + k // vectors, start + k % vectors])
    return clipped
