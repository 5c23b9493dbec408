"""Loops of a reading on a CPU, compiled on first use: one pass where tensor operations take one each.

An array is one tile of one group; ``columns`` are its bit slices times outputs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import compiled, part_of_compiled
from memrix.crossbar.converter_kernels import WHOLE, Adcs, convert_ideally, convert_with_errors
from memrix.device.parameters import Array

Words = npt.NDArray[np.uint16]
Offsets = npt.NDArray[np.int64]

_ZERO = np.float32(0)
_LARGEST = np.float32(np.finfo(np.float32).max)
_AT_A_TIME = 1024  # inputs: their places in the tables stay in the fastest cache


@part_of_compiled
def _place(inputs: Array, codes_per_unit: np.float32, zero: int, places: npt.NDArray[np.uint32]) -> bool:
    """Positions of the DAC codes of inputs in the tables; returns whether all inputs are finite."""
    largest, last = np.float32(zero), np.uint32(2 * zero)
    beyond = False
    for n in range(inputs.size):
        value = inputs[n]
        beyond |= not (abs(value) <= _LARGEST)
        # Added to what has only whole neighbors, a number is rounded to the nearest, of two to the even one.
        steps = min(max(value * codes_per_unit, -largest), largest)
        whole = np.copysign(WHOLE, steps)
        # What is no number finds a place too, and is told: nothing else checks bounds.
        places[n] = min(np.uint32(np.int32((steps + whole) - whole) + np.int32(zero)), last)
    return not beyond


@compiled
def look_up(
    inputs: Array, codes_per_unit: np.float32, tables: Array, means: Array, slopes: Array, offsets: Array
) -> bool:
    """Values of the tables at the DAC codes of inputs.

    Args:
        inputs: float32 ``[n]``.
        codes_per_unit: of the DAC.
        tables: float32 ``[3, codes]``, or ``[1, codes]`` without noise.
        means: takes values of the first table, float32 ``[n]``.
        slopes: of the second, if there is one.
        offsets: of the third, if there is one.

    Returns:
        Whether all inputs are finite.
    """
    mean, slope, offset = tables[0], tables[len(tables) // 2], tables[-1]
    zero = mean.size // 2
    places = np.empty(min(_AT_A_TIME, inputs.size), np.uint32)
    finite = True
    for start in range(0, inputs.size, _AT_A_TIME):
        stop = min(start + _AT_A_TIME, inputs.size)
        finite &= _place(inputs[start:stop], codes_per_unit, zero, places)
        means_here, slopes_here, offsets_here = means[start:stop], slopes[start:stop], offsets[start:stop]
        for n in range(stop - start):
            means_here[n] = mean[places[n]]
        if len(tables) == 1:
            continue
        for n in range(stop - start):
            slopes_here[n] = slope[places[n]]
        for n in range(stop - start):
            offsets_here[n] = offset[places[n]]
    return finite


@part_of_compiled
def look_up_rows(
    inputs: Array,
    starts: Offsets,
    length: int,
    rows: int,
    codes_per_unit: np.float32,
    tables: Array,
    means: Array,
    slopes: Array,
    sums: npt.NDArray[np.float64],
) -> bool:
    """Values of the tables for vectors whose inputs lie side by side, tile by tile.

    Args:
        inputs: flat float32.
        starts: where each vector begins, ``[n]``.
        length: of a vector.
        rows: of a tile.
        codes_per_unit: of the DAC.
        tables: as for ``look_up``.
        means: takes values of the first table, ``[tiles, n, rows]``.
        slopes: of the second, if there is one.
        sums: takes the sums of the third over the rows of a tile, float64 ``[tiles, n]``, if there is one.

    Returns:
        Whether all inputs are finite.
    """
    mean, slope, offset = tables[0], tables[len(tables) // 2], tables[-1]
    zero = mean.size // 2
    places = np.empty(rows, np.uint32)
    finite = True
    for k in range(starts.size):
        for tile in range(means.shape[0]):
            start = starts[k] + tile * rows
            count = min(rows, length - tile * rows)
            finite &= _place(inputs[start : start + count], codes_per_unit, zero, places)
            means_here, slopes_here = means[tile, k], slopes[tile, k]
            for n in range(count):
                means_here[n] = mean[places[n]]
            if len(tables) == 1:
                continue
            total = 0.0
            for n in range(count):
                slopes_here[n] = slope[places[n]]
                total += np.float64(offset[places[n]])
            sums[tile, k] = total
    return finite


@part_of_compiled
def gather(
    flat: Array,
    starts: Offsets,
    stride: int,
    first: int,
    length: int,
    group_offsets: Offsets,
    input_offsets: Offsets,
    rows: int,
    values: Array,
) -> None:
    """Copy windows that overlap out of looked-up values, transposed: what lies side by side in both stays so.

    Args:
        flat: values.
        starts: of the runs of vectors, ``[runs]``.
        stride: between the vectors of a run.
        first: vector to begin with, counted through all runs.
        length: vectors of a run.
        group_offsets: of the groups, ``[groups]``.
        input_offsets: of the inputs of a vector, ``[inputs]``.
        rows: of a tile.
        values: takes ``[groups * tiles, rows, n]``.
    """
    tiles = values.shape[0] // group_offsets.size
    count = values.shape[2]
    for array in range(values.shape[0]):
        tile = array % tiles
        for row in range(min(rows, input_offsets.size - tile * rows)):
            base = group_offsets[array // tiles] + input_offsets[tile * rows + row]
            target = values[array, row]
            at, run, within = 0, first // length, first % length
            while at < count:
                here = min(length - within, count - at)
                source = flat[base + starts[run] + within * stride :]
                part = target[at : at + here]
                if stride == 1:
                    for n in range(here):
                        part[n] = source[n]
                else:
                    for n in range(here):
                        part[n] = source[n * stride]
                at, run, within = at + here, run + 1, 0


@part_of_compiled
def sum_rows(values: Array, used: Offsets, sums: npt.NDArray[np.float64]) -> None:
    """Sums over the used rows of every array, ``[arrays, rows, n]`` to float64 ``[arrays, n]``."""
    for array in range(values.shape[0]):
        total = sums[array]
        total[:] = 0.0
        for row in range(used[array]):
            added = values[array, row]
            for n in range(total.size):
                total[n] += np.float64(added[n])


@compiled
def convert(
    readings: Array,
    variances: Array,
    offsets: npt.NDArray[np.float64],
    words: Words,
    quantiles: Array,
    array: int,
    first: int,
    adcs: Adcs,
    converted: Words,
    sums: Array,
    start: int,
) -> int:
    """Add noise to readings of some columns of an array, convert them, and add them to sums.

    Args:
        readings: float32 ``[n, columns here]`` in ADC steps.
        variances: of the same shape, without what the offsets add to all columns; empty without noise.
        offsets: float64 ``[arrays, n]``.
        words: random uint16 ``[n, conversions]``.
        quantiles: the normal number that each word stands for, float32 ``[65536]``.
        array: which one of ``offsets`` it is.
        first: the first column's place in ``words``.
        adcs: that convert.
        converted: random words of the noise of conversions, ``[n, conversions]``; empty without.
        sums: float32 ``[n, columns]``.
        start: the first column's place in it.

    Returns:
        How many conversions were clipped.
    """
    columns = readings.shape[1]
    normals, codes = np.empty(columns, np.float32), np.empty(columns if adcs.errors.size else 0, np.float32)
    clipped = 0
    for k in range(readings.shape[0]):
        reading = readings[k]
        if variances.size:
            variance, offset = variances[k], np.float32(offsets[array, k])
            drawn = words[k, first : first + columns]
            for n in range(columns):  # apart from the arithmetic, which is vectorized then
                normals[n] = quantiles[drawn[n]]
            for n in range(columns):
                # A cell in a million conducts against a voltage of some mV; its share is below 0.
                reading[n] += np.sqrt(max(variance[n] + offset, _ZERO)) * normals[n]
        total = sums[k, start : start + columns]
        if not adcs.errors.size:
            clipped += int(convert_ideally(reading, adcs.limit, total))
            continue
        noise = normals[: columns if converted.size else 0]
        if converted.size:
            drawn = converted[k, first : first + columns]
            for n in range(columns):
                normals[n] = quantiles[drawn[n]]
        clipped += int(convert_with_errors(reading, adcs, first, noise, codes, total))
    return clipped


@part_of_compiled
def combine(
    sums: Array, planes: int, base: np.float32, scale: Array, offset: Array, results: Array, start: int
) -> None:
    """Add bit slices, and scale.

    Args:
        sums: float32 ``[groups, n, planes * outputs]``.
        planes: from the lowest.
        base: what a step of a slice is worth in steps of the one below it.
        scale: of results, ``[1]`` or ``[groups * outputs]``.
        offset: to be added then, likewise, or ``[0]``.
        results: takes float32 ``[groups, any, outputs]``.
        start: where on its second axis.
    """
    outputs = results.shape[2]
    for group in range(sums.shape[0]):
        for k in range(sums.shape[1]):
            total, result = sums[group, k], results[group, start + k]
            highest = total[(planes - 1) * outputs :]
            for n in range(outputs):  # an assignment of slices takes seconds to compile
                result[n] = highest[n]
            for plane in range(planes - 2, -1, -1):
                lower = total[plane * outputs : (plane + 1) * outputs]
                for n in range(outputs):
                    result[n] = result[n] * base + lower[n]
            if scale.size == 1:
                factor = scale[0]
                for n in range(outputs):
                    result[n] *= factor
            else:
                factors = scale[group * outputs : (group + 1) * outputs]
                for n in range(outputs):
                    result[n] *= factors[n]
            if offset.size == 1:
                added = offset[0]
                for n in range(outputs):
                    result[n] += added
            elif offset.size:
                addends = offset[group * outputs : (group + 1) * outputs]
                for n in range(outputs):
                    result[n] += addends[n]
