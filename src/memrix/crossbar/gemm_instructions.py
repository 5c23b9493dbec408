"""Instructions of ``gemm_kernels``, which Python has none for: fused multiply-adds of vectors that stay in registers.

Each takes one tuple of integers: addresses, strides in bytes, and counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BYTES = 4  # of a float32
VECTOR = 8  # columns of a register; where a processor has others, two or half of one stand for it
STEPS = 4  # of the sums of a row at a time
PANEL = 16  # columns of a kernel of several rows

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, VECTOR)
_INTEGER = ir.IntType(64)

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


def _fma(builder: Builder) -> Value:
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    return cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{VECTOR}f32")


def _emit_sums(
    builder: Builder,
    a: tuple[Value, Value, Sequence[Value]],
    b: tuple[Value, Value, Sequence[Value]],
    steps: Value,
) -> list[list[Value]]:
    """Registers ``[rows][vectors]`` of sums over at least one step; a and b: address, step and offsets in bytes."""
    fma = _fma(builder)
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


def _emit_last_columns(builder: Builder, arguments: Sequence[Value]) -> None:
    a, a_step, b, b_step, c, steps = arguments
    ((sums,),) = _emit_sums(builder, (a, a_step, [_constant(0)]), (b, b_step, [_constant(0)]), steps)
    _store(builder, sums, c)
    builder.ret_void()


def _emit_steps(count: int, first: bool = False) -> Emit:
    """Lengthen sums of a row by some steps, or begin with them: rows of b are read as they lie in memory."""

    def emit(builder: Builder, arguments: Sequence[Value]) -> None:
        a, a_step, b, b_step, c, size = arguments
        fma = _fma(builder)
        places = [_constant(n) for n in range(count)]
        left = [_spread(builder, _load(builder, builder.add(a, builder.mul(a_step, n)), _FLOAT)) for n in places]
        rows = [builder.add(b, builder.mul(b_step, n)) for n in places]
        before, loop = builder.block, builder.append_basic_block("vector")
        after = builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        offset = builder.phi(_INTEGER)
        address = builder.add(c, offset)
        sums = ir.Constant(_VECTOR, None) if first else _load(builder, address, _VECTOR)
        for factor, row in zip(left, rows, strict=True):
            sums = builder.call(fma, [factor, _load(builder, builder.add(row, offset), _VECTOR), sums])
        _store(builder, sums, address)
        following = builder.add(offset, _constant(VECTOR * BYTES))
        offset.add_incoming(_constant(0), before)
        offset.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, size), loop, after)
        builder.position_at_end(after)
        builder.ret_void()

    return emit


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


tile_of_six = _intrinsic(10, _call("memrix_gemm_tile_of_six", _emit_tile(6)))
tile_of_four = _intrinsic(10, _call("memrix_gemm_tile_of_four", _emit_tile(4)))
last_columns = _intrinsic(6, _call("memrix_gemm_last_columns", _emit_last_columns))
steps = _intrinsic(6, _call("memrix_gemm_steps", _emit_steps(STEPS)))
step = _intrinsic(6, _call("memrix_gemm_step", _emit_steps(1)))
first_step = _intrinsic(6, _call("memrix_gemm_first_step", _emit_steps(1, first=True)))
copy = _intrinsic(2, _emit_copy)
