"""The operator ``memrix::read``: what torch sees of a crossbar, in an eager call and in any graph.

A graph (``torch.compile``, ``torch.export``, ``torch.jit.trace``) holds it as one node, and so runs the code that an
eager call runs. It is defined through ``torch.library.Library``: the wrapper that ``torch.library.custom_op`` puts
around an operator costs more than a small layer.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from memrix.crossbar import gemm, legacy_noise
from memrix.crossbar.fingerprint import is_written
from memrix.crossbar.read import Cells, Shape, read
from memrix.crossbar.rows import read_rows
from memrix.errors import InputError, WriteError

# Elements of a record, int64: the key of the stream of the read noise, readings so far, and how often the ADCs
# converted and clipped.
KEY, READINGS, CONVERSIONS, CLIPPED = range(4)
_TOGETHER = 1 << 24  # conversions of readings in tensor operations at once: they all lie in memory

_library: Any = torch.library.Library("memrix", "DEF")  # type: ignore[no-untyped-call]
_library.define(
    "read(Tensor windows, int vector_axes, Tensor codes_per_unit, Tensor difference, Tensor total, Tensor tables, "
    "Tensor(a!) record, Tensor scale, Tensor? offset, Tensor? weight, Tensor? written, int[] shape, float limit, "
    "bool shared_noise, str name) -> Tensor"
)
_library.define(
    "read_rows(Tensor rows, Tensor difference, Tensor total, Tensor tables, Tensor plane_weights, Tensor(a!) record, "
    "Tensor? weight, Tensor? written, int[] shape, float limit, str name) -> Tensor"
)


def _read(
    windows: Tensor,
    vector_axes: int,
    codes_per_unit: Tensor,
    difference: Tensor,
    total: Tensor,
    tables: Tensor,
    record: Tensor,
    scale: Tensor,
    offset: Tensor | None,
    weight: Tensor | None,
    written: Tensor | None,
    shape: list[int],
    limit: float,
    shared_noise: bool,
    name: str,
) -> Tensor:
    _require_written(weight, written, name)
    cells = Cells(Shape(*shape), difference, total, tables, limit)
    items = windows.shape[1]
    count = math.prod(windows.shape[1 : 1 + vector_axes])
    results = windows.new_empty((cells.shape.groups, count, cells.shape.outputs))
    if not results.numel():
        return results
    if windows.device.type == "cpu" and gemm.available() and not shared_noise:
        counted, compiled = record.numpy(), _compiled()
        key, first = int(counted[KEY]), int(counted[READINGS])
        clipped = compiled.read(
            compiled.Windows(windows, vector_axes), codes_per_unit, cells, key, first, scale, offset, results
        )
        if clipped is None:
            raise _not_finite(name)
        counted[READINGS:] += (count, count * cells.shape.conversions, clipped)
        return results
    _require_finite(windows, name)
    vectors = windows.flatten(1, vector_axes).flatten(2)  # [groups, n, inputs]
    if shared_noise:
        by_item = vectors.unflatten(1, (items, -1))  # type: ignore[no-untyped-call]
        made, beyond = legacy_noise.read(by_item, codes_per_unit, cells, record[KEY], record[READINGS])
        results.copy_(made)
        record[CLIPPED] += beyond
        record[READINGS] += by_item.shape[2]
    else:
        together = max(1, _TOGETHER // cells.shape.conversions)
        for start in range(0, count, together):
            some = vectors[:, start : start + together]
            made, beyond = read(some, codes_per_unit, cells, record[KEY], record[READINGS])
            results[:, start : start + together] = made
            record[CLIPPED] += beyond
            record[READINGS] += some.shape[1]
    record[CONVERSIONS] += count * cells.shape.conversions
    groups = cells.shape.groups
    results *= _by_output(scale, groups)
    if offset is not None:
        results += _by_output(offset, groups)
    return results


def _by_output(values: Tensor, groups: int) -> Tensor:
    return values.reshape(1, 1, 1) if values.numel() == 1 else values.reshape(groups, 1, -1)


def _fake(
    windows: Tensor,
    vector_axes: int,
    codes_per_unit: Tensor,
    difference: Tensor,
    total: Tensor,
    tables: Tensor,
    record: Tensor,
    scale: Tensor,
    offset: Tensor | None,
    weight: Tensor | None,
    written: Tensor | None,
    shape: list[int],
    limit: float,
    shared_noise: bool,
    name: str,
) -> Tensor:
    count = math.prod(windows.shape[1 : 1 + vector_axes])
    return windows.new_empty((shape[0], count, shape[2]))


def _read_rows(
    rows: Tensor,
    difference: Tensor,
    total: Tensor,
    tables: Tensor,
    plane_weights: Tensor,
    record: Tensor,
    weight: Tensor | None,
    written: Tensor | None,
    shape: list[int],
    limit: float,
    name: str,
) -> Tensor:
    _require_written(weight, written, name)
    cells = Cells(Shape(*shape), difference, total, tables, limit)
    _require_rows(rows, cells.shape.inputs, name)
    results, clipped = read_rows(rows, cells, plane_weights, record[KEY], record[READINGS])
    conversions = len(rows) * cells.shape.columns
    record += torch.stack([clipped.new_tensor(n) for n in (0, len(rows), conversions)] + [clipped])
    return results


def _fake_rows(
    rows: Tensor,
    difference: Tensor,
    total: Tensor,
    tables: Tensor,
    plane_weights: Tensor,
    record: Tensor,
    weight: Tensor | None,
    written: Tensor | None,
    shape: list[int],
    limit: float,
    name: str,
) -> Tensor:
    return difference.new_empty((rows.shape[0], shape[2]))


_library.impl("read", _read, "CompositeExplicitAutograd")
_library.impl("read_rows", _read_rows, "CompositeExplicitAutograd")
torch.library.register_fake("memrix::read", _fake, lib=_library)
torch.library.register_fake("memrix::read_rows", _fake_rows, lib=_library)

read_operator = torch.ops.memrix.read.default
read_rows_operator = torch.ops.memrix.read_rows.default


@functools.cache
def _compiled() -> ModuleType:
    """``memrix.crossbar.compiled``, which can be imported where numba is there."""
    from memrix.crossbar import compiled

    return compiled


def _require_written(weight: Tensor | None, written: Tensor | None, name: str) -> None:
    if weight is None or written is None:
        return
    still = is_written(weight, written)
    if not isinstance(still, Tensor) and still:
        return
    message = (
        f"the weight of layer {name!r} has changed since its cells were written, and they do not "
        f"follow; call memrix.write(chip) to write it to the same cells again, or change the digital model "
        f"and program that. An optimizer is to be given biases and digital layers of a chip alone"
    )
    if not isinstance(still, Tensor):
        raise WriteError(message)
    torch._assert_async(still, message)  # on the device: nothing waits for it


def _require_finite(windows: Tensor, name: str) -> None:
    _require(torch.isfinite(windows).all(), lambda: _not_finite(name))


def _require_rows(rows: Tensor, count: int, name: str) -> None:
    def beyond() -> InputError:
        if rows.device.type != "cpu":
            return InputError(f"layer {name!r} holds {count} rows, and was given an index beyond them")
        lowest, highest = (int(end) for end in rows.aminmax())
        return InputError(f"layer {name!r} holds {count} rows, got indices from {lowest} to {highest}")

    _require(((rows >= 0) & (rows < count)).all(), beyond)


def _require(holds: Tensor, error: Callable[[], InputError]) -> None:
    if holds.device.type != "cpu":
        torch._assert_async(holds, str(error()))  # on the device: nothing waits for it
    elif not bool(holds):
        raise error()


def _not_finite(name: str) -> InputError:
    return InputError(
        f"the input of layer {name!r} holds NaN or infinite values, which a DAC cannot convert; "
        f"look at the layers before it, or at the data"
    )
