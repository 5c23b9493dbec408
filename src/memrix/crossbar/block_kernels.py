"""A block of vectors read from first to last in one compiled call: the loops of ``kernels`` and ``gemm_kernels``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import compiled
from memrix._support.philox_kernels import fill_words
from memrix.crossbar.gemm_kernels import BYTES, MEMORY, VECTOR, multiply_matrices
from memrix.crossbar.kernels import Offsets, Words, combine, convert, gather, look_up_rows, sum_rows
from memrix.device.parameters import Array

Sizes = tuple[int, int, int, int, int, int, int]
"""Vectors, groups, inputs, outputs, bit slices, base of the digits, rows of a tile."""


@compiled
def _multiply(
    values: Array,
    transposed: bool,
    array: int,
    used: int,
    n: int,
    rows: int,
    cells: Array,
    wide: int,
    out: Array,
    memory: int,
) -> None:
    """Multiply the values of an array by its cells: ``[n, columns]``."""
    one, other = (BYTES, BYTES * n) if transposed else (BYTES * rows, BYTES)
    start = BYTES * array * rows
    multiply_matrices(
        (values.ctypes.data + start * n, one, other),
        (cells.ctypes.data + start * wide, BYTES * wide),
        (out.ctypes.data, BYTES * wide),
        (n, used, wide),
        memory,
    )


@compiled
def _narrow(products: Array, n: int, wide: int, columns: int) -> Array:
    """Products ``[n, wide]`` without the columns that hold no cells, in place."""
    if wide > columns:
        for k in range(n):
            for column in range(columns):
                products[k * columns + column] = products[k * wide + column]
    return products[: n * columns].reshape((1, n, columns))


@compiled
def _read_arrays(
    means: Array,
    slopes: Array,
    offsets: npt.NDArray[np.float64],
    transposed: bool,
    sizes: Sizes,
    difference: Array,
    total: Array,
    words: Words,
    quantiles: Array,
    limit: np.float32,
    work: Array,
    sums: Array,
) -> int:
    """Multiply, disturb and convert array by array."""
    n, groups, inputs, outputs, planes, _, rows = sizes
    tiles, columns, wide = -(-inputs // rows), planes * outputs, difference.shape[2]
    products, others = work[: n * wide], work[n * wide : 2 * n * wide]
    memory = work[2 * n * wide :].ctypes.data
    none = work[:0].reshape((0, n, columns))
    clipped = 0
    for array in range(groups * tiles):
        used = min(rows, inputs - array % tiles * rows)
        _multiply(means, transposed, array, used, n, rows, difference, wide, products, memory)
        readings, variances = _narrow(products, n, wide, columns), none
        if total.size:
            _multiply(slopes, transposed, array, used, n, rows, total, wide, others, memory)
            variances = _narrow(others, n, wide, columns)
        clipped += convert(readings, variances, offsets, words, quantiles, array, 1, tiles, limit, sums)
    return clipped


@compiled
def _parts(sizes: Sizes) -> tuple[int, int, int]:
    """Elements that products and packed matrices take, looked-up values of one table, and sums."""
    n, groups, inputs, outputs, planes, _, rows = sizes
    columns = planes * outputs
    products = 2 * n * max(columns, VECTOR) + rows * MEMORY // BYTES
    return products, groups * -(-inputs // rows) * n * rows, groups * n * columns


@compiled
def work_size(sizes: Sizes) -> int:
    """Elements of float32 that a block takes."""
    products, each, sums = _parts(sizes)
    return products + 3 * each + sums


@compiled
def _split(sizes: Sizes, work: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Memory of ``_read_arrays``, of the values of three tables, and of sums, which are 0."""
    first, each, count = _parts(sizes)
    last = first + 3 * each
    sums = work[last : last + count]
    sums[:] = np.float32(0)
    return (
        work[:first],
        work[first : first + each],
        work[first + each : first + 2 * each],
        work[first + 2 * each : last],
        sums,
    )


@compiled
def read_rows(
    inputs: Array,
    first: int,
    stride: int,
    codes_per_unit: np.float32,
    sizes: Sizes,
    tables: Array,
    difference: Array,
    total: Array,
    words: Words,
    number: int,
    key0: int,
    key1: int,
    quantiles: Array,
    limit: np.float32,
    work: Array,
    scale: Array,
    offset: Array,
    results: Array,
    start: int,
) -> int:
    """Read vectors whose inputs lie side by side.

    Args:
        inputs: flat float32.
        first: where the first vector begins.
        stride: from vector to vector.
        codes_per_unit: of the DAC.
        sizes: of the block.
        tables: float32 ``[1 or 3, codes]``.
        difference: float32 ``[arrays, rows, columns]``; ``total`` likewise, flat, empty without noise.
        words: memory for ``n * conversions`` words of the stream ``key0``, ``key1``, from reading ``number`` on.
        quantiles: as for ``convert``, as is ``limit``.
        work: memory of ``work_size`` elements.
        scale: as for ``combine``, as is all that follows.

    Returns:
        How many conversions were clipped; -1 where an input is not finite.
    """
    n, _, length, outputs, planes, base, rows = sizes
    tiles, columns = -(-length // rows), planes * outputs
    memory, means, slopes, _, sums = _split(sizes, work)
    offsets = np.empty((tiles, n))
    starts = first + stride * np.arange(n)
    by_tile = (tiles, n, rows)
    finite = look_up_rows(
        inputs, starts, length, rows, codes_per_unit, tables, means.reshape(by_tile), slopes.reshape(by_tile), offsets
    )
    if not finite:
        return -1
    drawn = words.reshape((1, words.size))
    if total.size:
        drawn = words.reshape((n, tiles * columns))
        fill_words(drawn, number, key0, key1)
    by_output = sums.reshape((1, n, columns))
    clipped = _read_arrays(
        means, slopes, offsets, False, sizes, difference, total, drawn, quantiles, limit, memory, by_output
    )
    combine(by_output, planes, np.float32(base), scale, offset, results, start)
    return clipped


@compiled
def read_gathered(
    flat: Array,
    starts: Offsets,
    stride: int,
    first: int,
    run: int,
    group_offsets: Offsets,
    input_offsets: Offsets,
    sizes: Sizes,
    difference: Array,
    total: Array,
    words: Words,
    number: int,
    key0: int,
    key1: int,
    quantiles: Array,
    limit: np.float32,
    work: Array,
    scale: Array,
    offset: Array,
    results: Array,
) -> int:
    """Read vectors that are gathered out of looked-up values.

    Args:
        flat: values of the tables, ``[1 or 3, elements]``. All up to ``input_offsets`` are as for ``kernels.gather``,
            and those after them as for ``read_rows``.

    Returns:
        How many conversions were clipped.
    """
    n, groups, length, outputs, planes, base, rows = sizes
    tiles, columns = -(-length // rows), planes * outputs
    arrays = groups * tiles
    memory, means, slopes, thirds, sums = _split(sizes, work)
    by_row = (arrays, rows, n)
    gather(flat[0], starts, stride, first, run, group_offsets, input_offsets, rows, means.reshape(by_row))
    offsets = np.empty((arrays, n))
    drawn = words.reshape((1, words.size))
    if total.size:
        gather(flat[1], starts, stride, first, run, group_offsets, input_offsets, rows, slopes.reshape(by_row))
        gather(flat[2], starts, stride, first, run, group_offsets, input_offsets, rows, thirds.reshape(by_row))
        used = np.empty(arrays, np.int64)
        for array in range(arrays):
            used[array] = min(rows, length - array % tiles * rows)
        sum_rows(thirds.reshape(by_row), used, offsets)
        drawn = words.reshape((n, arrays * columns))
        fill_words(drawn, number, key0, key1)
    by_output = sums.reshape((groups, n, columns))
    clipped = _read_arrays(
        means, slopes, offsets, True, sizes, difference, total, drawn, quantiles, limit, memory, by_output
    )
    combine(by_output, planes, np.float32(base), scale, offset, results, first)
    return clipped
