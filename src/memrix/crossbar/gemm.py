"""A matrix product on a CPU whose bits depend on nothing but the row and the column that are multiplied.

Libraries choose the order of a sum by the sizes of matrices, their place in memory and the number of threads. Here
each element is one chain of fused multiply-adds along the sum, from its first term to its last, that starts at 0:
``sum = round(a[k] * b[k] + sum)``. A vector gives the same bits alone and in any batch, tile or thread.
"""

from __future__ import annotations

import functools
import importlib.util
import platform
import threading
from types import ModuleType

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

_LINE = 64  # bytes of a line of a cache
_VECTOR = 8  # columns that compiled loops need


@functools.cache
def available() -> bool:
    """Whether there is a compiler, and a processor with fused multiply-adds."""
    if importlib.util.find_spec("numba") is None:
        return False
    if platform.machine().lower() in ("aarch64", "arm64"):
        return True
    from llvmlite.binding import get_host_cpu_features

    return bool(get_host_cpu_features().get("fma"))


def multiply(values: Tensor, cells: Tensor, out: Tensor) -> None:
    """Multiply matrices tile by tile, in the calling thread and without the interpreter's lock.

    The first call in a process loads the compiled loops, the first on a machine compiles them. Autograd does not
    record the product. Which elements are NaN is defined, their sign and payload are not.

    Args:
        values: float32 ``[tiles, rows, steps]`` on a CPU, of any strides.
        cells: float32 ``[tiles, steps, columns]``, with columns next to each other.
        out: takes float32 ``[tiles, rows, columns]``, likewise; shares no memory with the others.

    Raises:
        ValueError: types, devices, shapes or strides do not fit.
        ImportError: numba is not installed.
    """
    tiles, rows, steps = values.shape
    columns = out.shape[-1]
    a, b, c = values.stride(), cells.stride(), out.stride()
    if not (
        values.dtype is cells.dtype is out.dtype is torch.float32
        and values.is_cpu
        and cells.is_cpu
        and out.is_cpu
        and cells.shape == (tiles, steps, columns)
        and out.shape == (tiles, rows, columns)
        and (b[2] == c[2] == 1 or columns < _VECTOR)
    ):
        raise ValueError(_complaint(values, cells, out))
    if columns < _VECTOR or steps == 0:
        _multiply_small(values, cells, out)
        return
    kernels = _kernels()
    memory = _memory.address_of(steps * kernels.MEMORY) if rows > kernels.FEW else 0
    kernels.multiply_tiles(
        values.data_ptr(),
        *a,
        cells.data_ptr(),
        b[0],
        b[1],
        out.data_ptr(),
        c[0],
        c[1],
        tiles,
        rows,
        steps,
        columns,
        memory,
    )


def _multiply_small(values: Tensor, cells: Tensor, out: Tensor) -> None:
    """Multiply what compiled loops do not take: sums of nothing, and fewer columns than a register has."""
    if out.numel() == 0 or values.numel() == 0:
        out.zero_()
        return
    wide = functional.pad(cells, (0, _VECTOR - cells.shape[2]))
    result = out.new_empty((*out.shape[:2], _VECTOR))
    multiply(values, wide, result)
    out.copy_(result[:, :, : out.shape[2]])


class _Memory(threading.local):
    """Memory that a thread keeps for packed matrices."""

    address = 0
    _size = 0
    _buffer: npt.NDArray[np.uint8]

    def address_of(self, size: int) -> int:
        if size > self._size:
            self._buffer = np.empty(size + _LINE, np.uint8)
            self.address = -(-self._buffer.ctypes.data // _LINE) * _LINE
            self._size = size
        return self.address


_memory = _Memory()


@functools.cache
def _kernels() -> ModuleType:
    from memrix.crossbar import gemm_kernels

    return gemm_kernels


def _complaint(*tensors: Tensor) -> str:
    given = ", ".join(
        f"{name} {str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)} of strides {list(tensor.stride())} "
        f"on {tensor.device}"
        for name, tensor in zip(("values", "cells", "out"), tensors, strict=True)
    )
    return (
        "a product takes float32 tensors on a CPU, values [tiles, rows, steps], cells [tiles, steps, columns] and "
        f"out [tiles, rows, columns], the last two with a column stride of 1; got {given}; "
        "convert with .float(), .cpu() and .contiguous()"
    )
