"""A block of vectors read from first to last in one compiled call: the loops of ``kernels`` and ``gemm_kernels``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import compiled, part_of_compiled
from memrix._support.philox_kernels import fill_words
from memrix.crossbar.converter_kernels import Adcs
from memrix.crossbar.gemm_instructions import BYTES, PANEL, VECTOR
from memrix.crossbar.gemm_kernels import FEW, MEMORY, STRIP, multiply_matrices
from memrix.crossbar.kernels import Offsets, Words, combine, convert, gather, look_up_rows, sum_rows
from memrix.device.parameters import Array

Sizes = tuple[int, int, int, int, int, int, int]
"""Vectors, groups, inputs, outputs, bit slices, base of the digits, rows of a tile."""


class Block(NamedTuple):
    """What a block of vectors is read with, wherever their values come from.

    Attributes:
        sizes: of the block.
        difference: float32 ``[arrays, rows, columns]``.
        total: likewise, flat; empty without noise.
        words: memory for ``n * conversions`` words.
        number: of the first reading, in the stream of the words.
        key0: of the stream, the low half.
        key1: the high half.
        quantiles: as for ``convert``.
        adcs: as for ``convert``.
        work: memory of ``work_size`` elements.
        scale: as for ``combine``.
        offset: as for ``combine``.
        results: as for ``combine``.
        start: as for ``combine``; also the first vector to read.
    """

    sizes: Sizes
    difference: Array
    total: Array
    words: Words
    number: int
    key0: int
    key1: int
    quantiles: Array
    adcs: Adcs
    work: Array
    scale: Array
    offset: Array
    results: Array
    start: int


@part_of_compiled
def _multiply(
    values: Array,
    transposed: bool,
    array: int,
    used: int,
    n: int,
    rows: int,
    cells: int,
    wide: int,
    strip: tuple[int, int],
    out: Array,
    memory: int,
) -> None:
    """Multiply the values of an array by a strip of its columns: ``[n, columns of the strip]``; cells: an address."""
    one, other = (BYTES, BYTES * n) if transposed else (BYTES * rows, BYTES)
    start = BYTES * array * rows
    first, columns = strip
    multiply_matrices(
        (values.ctypes.data + start * n, one, other),
        (cells + start * wide + BYTES * first, BYTES * wide),
        (out.ctypes.data, BYTES * columns),
        (n, used, columns),
        memory,
    )


@part_of_compiled
def _narrow(products: Array, n: int, wide: int, columns: int) -> Array:
    """Products ``[n, wide]`` without the columns that hold no cells, in place."""
    if wide > columns:
        for k in range(n):
            for column in range(columns):
                products[k * columns + column] = products[k * wide + column]
    return products[: n * columns].reshape((n, columns))


@part_of_compiled
def _strip(sizes: Sizes) -> int:
    """Columns of a strip: what is done to those of an array is done strip by strip, which stays in the cache."""
    columns = sizes[3] * sizes[4]
    if sizes[0] <= FEW:  # whose products are small, and read all cells as they lie in memory
        return max(VECTOR, columns)
    strips = -(-columns // STRIP)
    return max(VECTOR, -(-columns // strips // PANEL) * PANEL)


@part_of_compiled
def _parts(sizes: Sizes) -> tuple[int, int, int]:
    """Elements that products and packed matrices take, looked-up values of one table, and sums."""
    n, groups, inputs, outputs, planes, _, rows = sizes
    columns = planes * outputs
    products = 2 * n * _strip(sizes) + rows * MEMORY // BYTES
    return products, groups * -(-inputs // rows) * n * rows, groups * n * columns


@part_of_compiled
def work_size(sizes: Sizes) -> int:
    """Elements of float32 that a block takes."""
    products, each, sums = _parts(sizes)
    return products + 3 * each + sums


@part_of_compiled
def _values(sizes: Sizes, work: Array, table: int) -> Array:
    """Memory for the values of a table: 0, 1 or 2."""
    first, each, _ = _parts(sizes)
    return work[first + table * each : first + (table + 1) * each]


@part_of_compiled
def _read(offsets: npt.NDArray[np.float64], transposed: bool, block: Block) -> int:
    """Multiply, disturb and convert array by array, then combine: values of the first two tables lie in ``work``."""
    sizes, difference, total, words, work = block.sizes, block.difference, block.total, block.words, block.work
    n, groups, inputs, outputs, planes, base, rows = sizes
    tiles, columns, wide, strip = -(-inputs // rows), planes * outputs, difference.shape[2], _strip(sizes)
    first, each, count = _parts(sizes)
    means, slopes = _values(sizes, work, 0), _values(sizes, work, 1)
    products, others = work[: n * strip], work[n * strip : 2 * n * strip]
    memory, cells, noisy = work[2 * n * strip :].ctypes.data, difference.ctypes.data, total.ctypes.data
    sums = work[first + 3 * each : first + 3 * each + count].reshape((groups, n, columns))
    sums[:] = np.float32(0)
    drawn = words.reshape((1, words.size))
    if total.size:
        drawn = words.reshape((n, groups * tiles * columns))
        fill_words(drawn, block.number, block.key0, block.key1)
    adcs = block.adcs
    converted = adcs.words.reshape((1, adcs.words.size))
    if adcs.words.size:
        converted = adcs.words.reshape((n, groups * tiles * columns))
        fill_words(converted, block.number, adcs.key0, adcs.key1)
    clipped = 0
    for at in range(0, columns, strip):
        here, width = min(strip, columns - at), min(strip, wide - at)
        for array in range(groups * tiles):
            used = min(rows, inputs - array % tiles * rows)
            _multiply(means, transposed, array, used, n, rows, cells, wide, (at, width), products, memory)
            readings, variances = _narrow(products, n, width, here), products[:0].reshape((0, here))
            if total.size:
                _multiply(slopes, transposed, array, used, n, rows, noisy, wide, (at, width), others, memory)
                variances = _narrow(others, n, width, here)
            clipped += convert(
                readings,
                variances,
                offsets,
                drawn,
                block.quantiles,
                array,
                array * columns + at,
                adcs,
                converted,
                sums[array // tiles],
                at,
            )
    combine(sums, planes, np.float32(base), block.scale, block.offset, block.results, block.start)
    return clipped


@compiled
def read_rows(inputs: Array, stride: int, codes_per_unit: np.float32, tables: Array, block: Block) -> int:
    """Read vectors whose inputs lie side by side.

    Args:
        inputs: flat float32.
        stride: from vector to vector.
        codes_per_unit: of the DAC.
        tables: float32 ``[1 or 3, codes]``.
        block: of vectors.

    Returns:
        How many conversions were clipped; -1 where an input is not finite.
    """
    sizes, work = block.sizes, block.work
    n, _, length, _, _, _, rows = sizes
    tiles = -(-length // rows)
    by_tile = (tiles, n, rows)
    means, slopes = _values(sizes, work, 0).reshape(by_tile), _values(sizes, work, 1).reshape(by_tile)
    offsets = np.empty((tiles, n))
    starts = stride * (block.start + np.arange(n))
    if not look_up_rows(inputs, starts, length, rows, codes_per_unit, tables, means, slopes, offsets):
        return -1
    return _read(offsets, False, block)


@compiled
def read_gathered(
    flat: Array,
    starts: Offsets,
    stride: int,
    run: int,
    group_offsets: Offsets,
    input_offsets: Offsets,
    block: Block,
) -> int:
    """Read vectors that are gathered out of looked-up values.

    Args:
        flat: values of the tables, ``[1 or 3, elements]``. All up to ``input_offsets`` are as for ``kernels.gather``.
        block: of vectors.

    Returns:
        How many conversions were clipped.
    """
    sizes, work, start = block.sizes, block.work, block.start
    n, groups, length, _, _, _, rows = sizes
    tiles = -(-length // rows)
    arrays = groups * tiles
    offsets = np.empty((arrays, n))
    values = _values(sizes, work, 0).reshape((arrays, rows, n))
    gather(flat[0], starts, stride, start, run, group_offsets, input_offsets, rows, values)
    if block.total.size:
        values = _values(sizes, work, 1).reshape((arrays, rows, n))
        gather(flat[1], starts, stride, start, run, group_offsets, input_offsets, rows, values)
        values = _values(sizes, work, 2).reshape((arrays, rows, n))
        gather(flat[2], starts, stride, start, run, group_offsets, input_offsets, rows, values)
        used = np.empty(arrays, np.int64)
        for array in range(arrays):
            used[array] = min(rows, length - array % tiles * rows)
        sum_rows(values, used, offsets)
    return _read(offsets, True, block)
