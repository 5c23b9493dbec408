"""Compiled loops of the matrix product of ``gemm``, for use there and inside other compiled loops.

Here ``a`` is ``[rows, steps]``, ``b`` is ``[steps, columns]`` and ``c`` is ``[rows, columns]``, all float32. They are
given as addresses, and strides in bytes: ``_row`` from row to row, ``_step`` along a sum, ``_tile`` from product to
product. Columns of ``b`` and ``c`` lie next to each other.

A kernel keeps some rows times some vectors of 8 columns of ``c`` in registers while it walks along the sum. Where
fewer rows or columns are left, several of its registers hold the same ones, and write the same numbers twice: no
kernel for each remainder, and nothing outside of the matrices is read. For a few rows ``b`` is read once, as it lies
in memory, which takes longer than the arithmetic.
"""

from __future__ import annotations

from memrix._support.compilation import compiled, part_of_compiled
from memrix.crossbar import gemm_instructions as instructions
from memrix.crossbar.gemm_instructions import BYTES, PANEL, STEPS, VECTOR

ROW = 4096  # columns whose sums stay in the closest cache while a row is multiplied
STRIP = 256  # columns of b that are packed at a time
BLOCK = 96  # rows that meet a panel of b while it lies in the closest cache, a multiple of 4 and 6
FEW = 12  # rows up to which b is read as it lies in memory, and nothing is packed
NEAR = 1 << 19  # bytes from the first to the last row of b, up to which it is fast to walk down its columns
WALKED = 1 << 23  # bytes of all walks, from which on packing b pays
TRANSPOSED_COLUMNS = 64  # columns from which on packing a transposed a pays
MEMORY = BYTES * (STRIP + BLOCK)  # bytes that packed matrices take at each step of a sum

Axes = tuple[int, ...]


@part_of_compiled
def _multiply_by_rows(a: Axes, b: Axes, c: Axes, sizes: Axes) -> None:
    (a_start, a_row, a_step), (b_start, b_step), (c_start, c_row), (rows, steps, columns) = a, b, c, sizes
    whole = columns // VECTOR * VECTOR
    for strip in range(0, whole, ROW):
        size, offset = BYTES * min(ROW, whole - strip), BYTES * strip
        step = 0
        while step < steps:
            # All rows meet these rows of b while they lie in the cache.
            for row in range(rows):
                left, right = a_start + row * a_row + step * a_step, b_start + step * b_step + offset
                here = (left, a_step, right, b_step, c_start + row * c_row + offset, size)
                if step == 0:
                    instructions.first_step(here)
                elif steps - step >= STEPS:
                    instructions.steps(here)
                else:
                    instructions.step(here)
            step += STEPS if 0 < step <= steps - STEPS else 1
    if whole < columns:
        # Less than a vector of columns takes some of those before it along.
        offset = BYTES * (columns - VECTOR)
        for row in range(rows):
            first, sums = a_start + row * a_row, c_start + row * c_row + offset
            instructions.last_columns((first, a_step, b_start + offset, b_step, sums, steps))


@part_of_compiled
def _pack(start: int, stride: int, steps: int, width: int, memory: int, panels: bool) -> None:
    # Step by step, which a processor foresees, although panels lie one after the other.
    last = BYTES * (width - PANEL)
    for step in range(steps):
        source, target = start + step * stride, memory + BYTES * step * (PANEL if panels else BLOCK)
        for offset in range(0, BYTES * width, BYTES * PANEL):
            place = min(offset, last)
            instructions.copy((source + place, target + (offset * steps if panels else place)))


@part_of_compiled
def _multiply_panel(a: Axes, b: Axes, c: Axes, second: int, rows: int, steps: int) -> None:
    (a_start, a_row, a_step), (b_start, b_step), (c_start, c_row) = a, b, c
    first = 0
    while first < rows:
        left = rows - first
        here = (
            left,
            a_start + first * a_row,
            a_row,
            a_step,
            b_start,
            b_step,
            c_start + first * c_row,
            c_row,
            second,
            steps,
        )
        # Seven and eight are twice four; five are calculated as six.
        if left <= 4 or left == 7 or left == 8:
            instructions.tile_of_four(here)
            first += 4
        else:
            instructions.tile_of_six(here)
            first += 6


@part_of_compiled
def _multiply_by_tiles(a: Axes, b: Axes, c: Axes, sizes: Axes, packed: bool, memory: int) -> None:
    (a_start, a_row, a_step), (b_start, b_step), (c_start, c_row), (rows, steps, columns) = a, b, c, sizes
    last, second = max(columns - PANEL, 0), BYTES * min(columns - VECTOR, VECTOR)
    b_memory, a_memory = memory, memory + BYTES * STRIP * steps
    for strip in range(0, columns, STRIP):
        # Less than a panel of columns takes some of those before it along.
        first = min(strip, last)
        width = min(STRIP, columns - first)
        if packed:
            _pack(b_start + BYTES * first, b_step, steps, width, b_memory, True)
        for block in range(0, rows, BLOCK):
            height = min(BLOCK, rows - block)
            left = (a_start + block * a_row, a_row, a_step)
            if a_row == BYTES and height >= PANEL and width >= TRANSPOSED_COLUMNS and a_step != BYTES:
                _pack(left[0], a_step, steps, height, a_memory, False)
                left = (a_memory, BYTES, BYTES * BLOCK)
            for panel in range(0, width, PANEL):
                start = min(first + panel, last)
                right = (b_start + BYTES * start, b_step)
                if packed:
                    right = (b_memory + BYTES * panel * steps, BYTES * PANEL)
                _multiply_panel(left, right, (c_start + block * c_row + BYTES * start, c_row), second, height, steps)


@part_of_compiled
def multiply_matrices(a: Axes, b: Axes, c: Axes, sizes: Axes, memory: int) -> None:
    """Write the product of two matrices.

    Args:
        a: address, stride from row to row and along the sum, in bytes.
        b: address, and stride along the sum.
        c: address, and stride from row to row.
        sizes: rows, steps and columns: at least 1, 1 and ``VECTOR``.
        memory: address of ``steps * MEMORY`` bytes that nothing else uses meanwhile; none for up to ``FEW`` rows.
    """
    rows, steps, columns = sizes
    span = steps * b[1]
    if rows <= FEW and (columns > PANEL or span > NEAR):
        _multiply_by_rows(a, b, c, sizes)
    else:
        _multiply_by_tiles(a, b, c, sizes, columns >= PANEL and rows * span > WALKED, memory)


@compiled
def multiply_tiles(
    a: int, a_tile: int, a_row: int, a_step: int, b: int, b_tile: int, b_step: int, c: int, c_tile: int, c_row: int,
    tiles: int, rows: int, steps: int, columns: int, memory: int,
) -> None:  # fmt: skip
    """Likewise, for every tile; strides in elements."""
    for tile in range(tiles):
        left = (a + BYTES * tile * a_tile, BYTES * a_row, BYTES * a_step)
        right = (b + BYTES * tile * b_tile, BYTES * b_step)
        multiply_matrices(left, right, (c + BYTES * tile * c_tile, BYTES * c_row), (rows, steps, columns), memory)
