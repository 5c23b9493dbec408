"""The operator ``memrix::read``: what torch sees of a crossbar, in an eager call and in any graph.

A graph (``torch.compile``, ``torch.export``, ``torch.jit.trace``) holds it as one node, and so runs the code that an
eager call runs. It is defined through ``torch.library.Library``: the wrapper that ``torch.library.custom_op`` puts
around an operator costs more than a small layer.
"""

from __future__ import annotations

import functools
import math
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from memrix._support.torch_internals import require_later
from memrix.crossbar import gemm, legacy_noise
from memrix.crossbar.bit_serial import read_bits
from memrix.crossbar.codes import not_finite, require_finite, require_rows
from memrix.crossbar.converters import Converters
from memrix.crossbar.fingerprint import is_written
from memrix.crossbar.read import Call, Cells, Shape, read
from memrix.crossbar.record import ADC_KEY, KEY, READINGS, count_readings_
from memrix.crossbar.rows import read_rows
from memrix.errors import WriteError

if TYPE_CHECKING:
    from memrix.crossbar.crossbar import Crossbar

_TOGETHER = 1 << 24  # conversions of readings in tensor operations at once: they all lie in memory

_library: Any = torch.library.Library("memrix", "DEF")  # type: ignore[no-untyped-call]
_library.define(
    "read(Tensor windows, int vector_axes, Tensor codes_per_unit, Tensor difference, Tensor total, Tensor tables, "
    "Tensor(a!) record, Tensor scale, Tensor? offset, Tensor? weight, Tensor? written, int[] shape, float limit, "
    "bool shared_noise, str name, Tensor? errors=None, float adc_noise=0.0) -> Tensor"
)
_library.define(
    "read_rows(Tensor rows, Tensor difference, Tensor total, Tensor tables, Tensor plane_weights, Tensor(a!) record, "
    "Tensor? weight, Tensor? written, int[] shape, float limit, str name, Tensor? errors=None, float adc_noise=0.0) "
    "-> Tensor"
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
    errors: Tensor | None = None,
    adc_noise: float = 0.0,
) -> Tensor:
    _require_written(weight, written, name)
    adcs = None if errors is None else Converters(errors, adc_noise, record[ADC_KEY])
    cells = Cells(Shape(*shape), difference, total, tables, limit, adcs)
    count = math.prod(windows.shape[1 : 1 + vector_axes])
    results = windows.new_empty((cells.shape.groups, count, cells.shape.outputs))
    if not results.numel():
        return results
    call = Call(windows, vector_axes, codes_per_unit, cells, record, scale, offset, shared_noise, name)
    readings, clipped = read_bits(results, call, _read_once) if tables.dim() == 3 else _read_once(results, call)
    conversions = count * cells.shape.conversions * (len(tables) if tables.dim() == 3 else 1)
    count_readings_(record, readings, conversions, clipped)
    return results


def _read_once(results: Tensor, call: Call) -> tuple[int, int | Tensor]:
    """How many numbers of readings it took, and how many conversions were clipped."""
    cells = call.cells
    if call.windows.device.type != "cpu" or not gemm.available() or call.shared_noise:
        return _in_tensors(results, call)
    compiled, counted = _compiled(), call.record.numpy()
    windows, key, first = compiled.Windows(call.windows, call.vector_axes), int(counted[KEY]), int(counted[READINGS])
    clipped: int | None = compiled.read(
        windows, call.codes_per_unit, cells, key, first + call.first, call.scale, call.offset, results
    )
    if clipped is None:
        raise not_finite(call.name)
    return results.shape[1], clipped


def _in_tensors(results: Tensor, call: Call) -> tuple[int, Tensor]:
    require_finite(call.windows, call.name)
    cells, unit, key, first = call.cells, call.codes_per_unit, call.record[KEY], call.record[READINGS] + call.first
    vectors = call.windows.flatten(1, call.vector_axes).flatten(2)  # [groups, n, inputs]
    readings = count = vectors.shape[1]
    if call.shared_noise:
        by_item = vectors.unflatten(1, (call.windows.shape[1], -1))  # type: ignore[no-untyped-call]
        made, clipped = legacy_noise.read(by_item, unit, cells, key, first)
        results.copy_(made)
        readings = by_item.shape[2]
    else:
        clipped = first.new_zeros(())
        together = max(1, _TOGETHER // cells.shape.conversions)
        for start in range(0, count, together):
            made, beyond = read(vectors[:, start : start + together], unit, cells, key, first + start)
            results[:, start : start + together] = made
            clipped += beyond
    call.scale_(results)
    return readings, clipped


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
    errors: Tensor | None = None,
    adc_noise: float = 0.0,
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
    errors: Tensor | None = None,
    adc_noise: float = 0.0,
) -> Tensor:
    _require_written(weight, written, name)
    adcs = None if errors is None else Converters(errors, adc_noise, record[ADC_KEY])
    # A row alone needs one reading: all bits of the largest code are set.
    cells = Cells(Shape(*shape), difference, total, tables if tables.dim() == 2 else tables[0], limit, adcs)
    require_rows(rows, cells.shape.inputs, name)
    results, clipped = read_rows(rows, cells, plane_weights, record[KEY], record[READINGS])
    count_readings_(record, len(rows), len(rows) * cells.shape.columns, clipped)
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
    errors: Tensor | None = None,
    adc_noise: float = 0.0,
) -> Tensor:
    return difference.new_empty((rows.shape[0], shape[2]))


_library.impl("read", _read, "CompositeExplicitAutograd")
_library.impl("read_rows", _read_rows, "CompositeExplicitAutograd")
torch.library.register_fake("memrix::read", _fake, lib=_library)
torch.library.register_fake("memrix::read_rows", _fake_rows, lib=_library)

read_operator = torch.ops.memrix.read.default
read_rows_operator = torch.ops.memrix.read_rows.default


def read_vectors(
    crossbar: Crossbar,
    windows: Tensor,
    vector_axes: int,
    codes_per_unit: Tensor,
    scale: Tensor,
    offset: Tensor | None,
    weight: Tensor | None,
    written: Tensor | None,
) -> Tensor:
    """``memrix::read`` of a crossbar: see ``Crossbar.read``."""
    results: Tensor = read_operator(
        windows,
        vector_axes,
        codes_per_unit,
        crossbar.difference,
        crossbar.total,
        crossbar.tables,
        crossbar.record,
        scale,
        offset,
        weight,
        written,
        crossbar.shape,
        crossbar.circuit.adc.largest_code,
        crossbar.circuit.noise.kind == "legacy",
        crossbar.name,
        crossbar.adc_errors,
        crossbar.circuit.adc.noise,
    )
    return results


def read_single_rows(crossbar: Crossbar, rows: Tensor, weight: Tensor | None, written: Tensor | None) -> Tensor:
    """``memrix::read_rows`` of a crossbar: see ``Crossbar.read_rows``."""
    results: Tensor = read_rows_operator(
        rows,
        crossbar.difference,
        crossbar.total,
        crossbar.tables,
        crossbar.plane_weights,
        crossbar.record,
        weight,
        written,
        crossbar.shape,
        crossbar.circuit.adc.largest_code,
        crossbar.name,
        crossbar.adc_errors,
        crossbar.circuit.adc.noise,
    )
    return results


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
    require_later(still, message)  # on the device: nothing waits for it
