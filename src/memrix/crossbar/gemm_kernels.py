"""Compiled loops of the matrix product of ``gemm``, for use there and inside other compiled loops.

Here ``a`` is ``[rows, steps]``, ``b`` is ``[steps, columns]`` and ``c`` is ``[rows, columns]``, all float32. They are
given as addresses, and strides in bytes: ``_row`` from row to row, ``_step`` along a sum, ``_tile`` from product to
product. Columns of ``b`` and ``c`` lie next to each other.

A kernel keeps some rows times some vectors of 8 columns of ``c`` in registers while it walks along the sum. Where
fewer rows or columns are left, several of its registers hold the same ones, and write the same numbers twice: no
kernel for each remainder, and nothing outside of the matrices is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from memrix._support.compilation import compiled

BYTES = 4  # of a float32
VECTOR = 8  # columns of a register; where a processor has others, two or half of one stand for it
ROW = 64  # columns of a kernel of one row: as many sums at a time as hide how long a step takes
PANEL = 16  # columns of a kernel of several rows
STRIP = 256  # columns of b that are packed at a time
BLOCK = 96  # rows that meet a panel of b while it lies in the closest cache, a multiple of 4 and 6
FEW = 2  # rows up to which kernels of one row are fastest
SMALL = 4  # rows up to which nothing is packed, and they still are where rows of b lie far apart
NEAR = 1 << 19  # bytes from the first to the last row of b, up to which it is fast to walk down its columns
WALKED = 1 << 23  # bytes of all walks, from which on packing b pays
TRANSPOSED_COLUMNS = 64  # columns from which on packing a transposed a pays
MEMORY = BYTES * (STRIP + BLOCK)  # bytes that packed matrices take at each step of a sum

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, VECTOR)
_INTEGER = ir.IntType(64)

Axes = tuple[int, ...]
Builder = Any  # of llvmlite, which has no types
Value = Any
Emit = Callable[[Builder, Sequence[Value]], None]


def _constant(number: int) -> Value:
    return ir.Constant(_INTEGER, number)


def _at(builder: Builder, address: Value, kind: Value) -> Value:
    return builder.inttoptr(address, kind.as_pointer())


def _load(builder: Builder, address: Value, kind: Value) -> Value:
    loaded = builder.load(_at(builder, address, kind))
    loaded.align = BYTES
    return loaded


def _store(builder: Builder, value: Value, address: Value) -> None:
    builder.store(value, _at(builder, address, _VECTOR)).align = BYTES


def _smaller(builder: Builder, first: Value, second: Value) -> Value:
    return builder.select(builder.icmp_signed("<", first, second), first, second)


def _spread(builder: Builder, number: Value) -> Value:
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), VECTOR), None))


def _emit_sums(
    builder: Builder,
    a: tuple[Value, Value, Sequence[Value]],
    b: tuple[Value, Value, Sequence[Value]],
    steps: Value,
) -> list[list[Value]]:
    """Registers ``[rows][vectors]`` of sums over at least one step; a and b: address, step and offsets in bytes."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{VECTOR}f32")
    before, loop = builder.block, builder.append_basic_block("step")
    after = builder.append_basic_block("sums")
    builder.branch(loop)
    builder.position_at_end(loop)
    step, a_here, b_here = (builder.phi(_INTEGER) for _ in range(3))
    sums = [[builder.phi(_VECTOR) for _ in b[2]] for _ in a[2]]
    right = [_load(builder, builder.add(b_here, offset), _VECTOR) for offset in b[2]]
    longer = []
    for offset, row in zip(a[2], sums, strict=True):
        left = _spread(builder, _load(builder, builder.add(a_here, offset), _FLOAT))
        longer.append([builder.call(fma, [left, *pair]) for pair in zip(right, row, strict=True)])
    following = builder.add(step, _constant(1))
    carried = [(step, _constant(0), following)]
    carried += [(a_here, a[0], builder.add(a_here, a[1])), (b_here, b[0], builder.add(b_here, b[1]))]
    zero = ir.Constant(_VECTOR, None)
    for row, row_longer in zip(sums, longer, strict=True):
        carried += [(register, zero, value) for register, value in zip(row, row_longer, strict=True)]
    for phi, first, then in carried:
        phi.add_incoming(first, before)
        phi.add_incoming(then, loop)
    builder.cbranch(builder.icmp_signed("<", following, steps), loop, after)
    builder.position_at_end(after)
    return longer


def _emit_tile(height: int) -> Emit:
    def emit(builder: Builder, arguments: Sequence[Value]) -> None:
        rows, a, a_row, a_step, b, b_step, c, c_row, second, steps = arguments
        last = builder.sub(rows, _constant(1))
        places = [_smaller(builder, _constant(row), last) for row in range(height)]
        a_offsets = [builder.mul(place, a_row) for place in places]
        sums = _emit_sums(builder, (a, a_step, a_offsets), (b, b_step, [_constant(0), second]), steps)
        for place, row in zip(places, sums, strict=True):
            address = builder.add(c, builder.mul(place, c_row))
            _store(builder, row[0], address)
            _store(builder, row[1], builder.add(address, second))
        builder.ret_void()

    return emit


def _emit_row(builder: Builder, arguments: Sequence[Value]) -> None:
    a, a_step, b, b_step, c, columns, steps = arguments
    last = builder.mul(builder.sub(columns, _constant(VECTOR)), _constant(BYTES))
    offsets = [_smaller(builder, _constant(n * VECTOR * BYTES), last) for n in range(ROW // VECTOR)]
    (row,) = _emit_sums(builder, (a, a_step, [_constant(0)]), (b, b_step, offsets), steps)
    for offset, register in zip(offsets, row, strict=True):
        _store(builder, register, builder.add(c, offset))
    builder.ret_void()


def _emit_copy(builder: Builder, arguments: Sequence[Value]) -> None:
    for vector in range(PANEL // VECTOR):
        offset = _constant(vector * VECTOR * BYTES)
        source, target = (builder.add(argument, offset) for argument in arguments)
        _store(builder, _load(builder, source, _VECTOR), target)


def _call(name: str, emit: Emit) -> Emit:
    """Call a function that is made once in a module and never inlined, which keeps compilation short."""

    def call(builder: Builder, arguments: Sequence[Value]) -> None:
        function = builder.module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(ir.VoidType(), [_INTEGER] * len(arguments))
            function = ir.Function(builder.module, kind, name)
            function.linkage = "linkonce_odr"
            function.attributes.add("noinline")
            function.attributes.add("nounwind")
            emit(ir.IRBuilder(function.append_basic_block()), function.args)
        builder.call(function, arguments)

    return call


def _intrinsic(count: int, emit: Emit) -> Any:  # noqa: ANN401
    """What compiled loops call with a tuple of integers."""

    def typed(context: Any, numbers: Any) -> tuple[Any, Any]:  # noqa: ANN401
        def generate(context: Any, builder: Builder, signature: Any, arguments: Sequence[Value]) -> Value:  # noqa: ANN401
            emit(builder, cgutils.unpack_tuple(builder, arguments[0], count))
            return context.get_dummy_value()

        return types.void(types.UniTuple(types.intp, count)), generate

    return intrinsic(typed)


_tile_of_six = _intrinsic(10, _call("memrix_gemm_tile_of_six", _emit_tile(6)))
_tile_of_four = _intrinsic(10, _call("memrix_gemm_tile_of_four", _emit_tile(4)))
_row = _intrinsic(7, _call("memrix_gemm_row", _emit_row))
_copy = _intrinsic(2, _emit_copy)


@compiled
def _multiply_by_rows(a: Axes, b: Axes, c: Axes, sizes: Axes) -> None:
    (a_start, a_row, a_step), (b_start, b_step), (c_start, c_row), (rows, steps, columns) = a, b, c, sizes
    for strip in range(0, columns, ROW):
        # Less than a vector of columns takes some of those before it along.
        first = min(strip, columns - VECTOR)
        width, offset = min(ROW, columns - first), BYTES * first
        # All rows meet these columns of b while they lie in the cache.
        for row in range(rows):
            _row(
                (
                    a_start + row * a_row,
                    a_step,
                    b_start + offset,
                    b_step,
                    c_start + row * c_row + offset,
                    width,
                    steps,
                )
            )


@compiled
def _pack(start: int, stride: int, steps: int, width: int, memory: int, panels: bool) -> None:
    # Step by step, which a processor foresees, although panels lie one after the other.
    last = BYTES * (width - PANEL)
    for step in range(steps):
        source, target = start + step * stride, memory + BYTES * step * (PANEL if panels else BLOCK)
        for offset in range(0, BYTES * width, BYTES * PANEL):
            place = min(offset, last)
            _copy((source + place, target + (offset * steps if panels else place)))


@compiled
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
            _tile_of_four(here)
            first += 4
        else:
            _tile_of_six(here)
            first += 6


@compiled
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


@compiled
def multiply_matrices(a: Axes, b: Axes, c: Axes, sizes: Axes, memory: int) -> None:
    """Write the product of two matrices.

    Args:
        a: address, stride from row to row and along the sum, in bytes.
        b: address, and stride along the sum.
        c: address, and stride from row to row.
        sizes: rows, steps and columns: at least 1, 1 and ``VECTOR``.
        memory: address of ``steps * MEMORY`` bytes that nothing else uses meanwhile; none for up to ``SMALL`` rows.
    """
    rows, steps, columns = sizes
    span = steps * b[1]
    if (rows <= FEW and columns > PANEL) or (rows <= SMALL and span > NEAR):
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
