"""``read`` on a CPU by compiled loops: the same bits, a block of vectors at a time, blocks side by side."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from memrix._support.streams import normal_table
from memrix._support.threads import side_by_side, survive_forks
from memrix.crossbar import block_kernels, kernels
from memrix.crossbar.converter_kernels import Adcs
from memrix.crossbar.gemm_instructions import VECTOR
from memrix.crossbar.read import Cells, Shape
from memrix.device.parameters import Array

# Elements of a buffer of readings: a few fit into the cache of a core, and a block still has enough vectors for a
# product to be efficient.
_BUFFER = 1 << 18
_FEWEST, _MOST = 32, 128  # vectors of a block
_WORTH_THREADS = 1 << 17  # conversions
_KEPT = 1 << 22  # elements of a buffer that stays with a thread, at most

_QUANTILES = normal_table(torch.device("cpu")).numpy()
_NONE = np.empty(0, np.float32)
_NO_ERRORS = np.empty((0, 0), np.float32)
_NO_WORDS = np.empty(0, np.uint16)


class Windows(NamedTuple):
    """Input vectors as windows onto a tensor, which may overlap.

    Attributes:
        values: float32, of any strides: groups, vectors on ``vector_axes`` axes, then inputs.
        vector_axes: how many.
    """

    values: Tensor
    vector_axes: int


def read(
    windows: Windows,
    codes_per_unit: Tensor,
    cells: Cells,
    key: int,
    first: int,
    scale: Tensor,
    offset: Tensor | None,
    results: Tensor,
) -> int | None:
    """Read input vectors: see ``memrix.crossbar.read.read``.

    Args:
        windows: the vectors.
        codes_per_unit: DAC codes of an input of 1, a scalar.
        cells: that are read.
        key: of the stream of the read noise: ``Stream.signed``.
        first: number of the first reading.
        scale: of results, ``[1]`` or ``[groups * outputs]``.
        offset: added to them then, likewise.
        results: takes them, contiguous ``[groups, n, outputs]``.

    Returns:
        How many conversions were clipped; None where an input is not finite.
    """
    survive_forks()
    shape, count = cells.shape, results.shape[1]
    if shape.columns < VECTOR:
        cells = _wider(cells)
    windows, unit = _side_by_side(windows), np.float32(codes_per_unit.item())
    places = _rows(windows)
    read_block = _by_gathering(windows, unit, cells) if places is None else _by_rows(places, windows, unit, cells)
    if read_block is None:
        return None
    arrays = cells.difference.numpy(), cells.total.numpy().reshape(-1)
    halves, converters = _halves(key), _converters(cells)
    ends = _flat(scale), _NONE if offset is None else _flat(offset), results.numpy()

    def block(start: int, stop: int) -> int:
        sizes = _sizes(cells.shape, stop - start)
        work, words = _memory(cells, sizes)
        adcs = converters._replace(words=_words("converter words", sizes[0], cells, bool(converters.noise > 0)))
        return read_block(
            block_kernels.Block(sizes, *arrays, words, first + start, *halves, _QUANTILES, adcs, work, *ends, start)
        )

    length = min(count, max(_FEWEST, min(_MOST, _BUFFER // cells.shape.columns)))
    spans = [(start, min(start + length, count)) for start in range(0, count, length)]
    outcomes: list[int] = []
    if count * shape.conversions < _WORTH_THREADS:
        outcomes += [block(*span) for span in spans]
    else:
        side_by_side(lambda span: outcomes.append(block(*span)), spans, device=results.device)
    return None if min(outcomes) < 0 else sum(outcomes)


def _by_rows(places: int, windows: Windows, unit: np.float32, cells: Cells) -> Callable[[block_kernels.Block], int]:
    return partial(block_kernels.read_rows, _flat(windows.values), places, unit, cells.tables.numpy())


def _by_gathering(windows: Windows, unit: np.float32, cells: Cells) -> Callable[[block_kernels.Block], int] | None:
    """Values are looked up once for each element of the tensor, then gathered; None where one is not finite."""
    values, axes = windows.values, windows.vector_axes
    flat = _flat(values)
    tables = cells.tables.numpy()
    looked_up = np.empty((len(tables), flat.size), np.float32)
    means, slopes, offsets = (looked_up[place] for place in (0, len(tables) // 2, -1))
    # What lies between the windows is not read.
    if not kernels.look_up(flat, unit, tables, means, slopes, offsets) and not bool(torch.isfinite(values).all()):
        return None
    sizes, strides = values.shape, values.stride()
    starts = _offsets(sizes[1:axes], strides[1:axes])
    of_groups, of_inputs = _offsets(sizes[:1], strides[:1]), _offsets(sizes[axes + 1 :], strides[axes + 1 :])
    return partial(block_kernels.read_gathered, looked_up, starts, strides[axes], sizes[axes], of_groups, of_inputs)


def _side_by_side(windows: Windows) -> Windows:
    """Vectors that lie in another order than theirs, copied: what does not overlap is not worth gathering."""
    values = windows.values
    if values.dim() != windows.vector_axes + 2 or values.is_contiguous() or values.stride(-1) != 1:
        return windows
    span = 1 + sum((size - 1) * stride for size, stride in zip(values.shape, values.stride(), strict=True))
    return windows._replace(values=values.contiguous()) if span >= values.numel() else windows


def _rows(windows: Windows) -> int | None:
    """The stride between vectors of the only group whose inputs lie side by side; None for any others."""
    values = windows.values
    if values.dim() != windows.vector_axes + 2 or values.shape[0] != 1:
        return None
    if values.is_contiguous():
        return values.shape[-1]
    strides, sizes = values.stride(), values.shape
    if strides[-1] != 1 and sizes[-1] != 1:
        return None
    axes = [(sizes[axis], strides[axis]) for axis in range(1, values.dim() - 1) if sizes[axis] != 1]
    if any(outer != inner * size for (_, outer), (size, inner) in itertools.pairwise(axes)):
        return None
    return axes[-1][1] if axes else 0


def _wider(cells: Cells) -> Cells:
    """Cells in as many columns as compiled products take: those that are added hold none."""

    def wide(tensor: Tensor) -> Tensor:
        return nn.functional.pad(tensor, (0, VECTOR - tensor.shape[-1])) if tensor.numel() else tensor

    return cells._replace(difference=wide(cells.difference), total=wide(cells.total))


def _sizes(shape: Shape, count: int) -> block_kernels.Sizes:
    return count, shape.groups, shape.inputs, shape.outputs, shape.planes, shape.base, shape.rows


def _halves(key: int) -> tuple[int, int]:
    return key & 0xFFFFFFFF, (key >> 32) & 0xFFFFFFFF


def _converters(cells: Cells) -> Adcs:
    """The ADCs of cells, without memory for words."""
    limit, adcs = np.float32(cells.limit), cells.converters
    if adcs is None:
        return Adcs(_NO_ERRORS, np.float32(0), 0, 0, _NO_WORDS, limit)
    errors = adcs.errors.contiguous().numpy()
    return Adcs(errors.reshape(len(errors), -1), np.float32(adcs.noise), *_halves(int(adcs.key)), _NO_WORDS, limit)


def _flat(values: Tensor) -> Array:
    """All that lies between the first and the last element in memory."""
    if values.is_contiguous():
        return values.detach().numpy().reshape(-1)
    extent = 1 + sum((size - 1) * stride for size, stride in zip(values.shape, values.stride(), strict=True))
    return values.detach().as_strided((extent,), (1,)).numpy()


def _offsets(sizes: tuple[int, ...], strides: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Where each element of axes lies, flat."""
    offsets = np.zeros(1, np.int64)
    for size, stride in zip(sizes, strides, strict=True):
        offsets = (offsets[:, None] + stride * np.arange(size)).reshape(-1)
    return offsets


_thread = threading.local()


def _memory(cells: Cells, sizes: block_kernels.Sizes) -> tuple[Any, Any]:
    """Memory for the work and the random words of a block."""
    words = _words("words", sizes[0], cells, cells.total.numel() > 0)
    return _buffer("work", block_kernels.work_size(sizes), np.float32), words


def _words(name: str, count: int, cells: Cells, drawn: bool) -> Any:  # noqa: ANN401
    return _buffer(name, count * cells.shape.conversions if drawn else 0, np.uint16)


def _buffer(name: str, size: int, dtype: npt.DTypeLike) -> Any:  # noqa: ANN401
    """Memory that stays with the thread: what comes from the system anew is fetched page by page every time."""
    if size > _KEPT:
        return np.empty(size, dtype)
    kept = getattr(_thread, name, None)
    if kept is None or kept.size < size:
        kept = np.empty(size, dtype)
        setattr(_thread, name, kept)
    return kept[:size]
