"""The normals of ``draws`` as machine code of a CPU."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import compiled
from memrix._support.philox_kernels import philox

Numbers = npt.NDArray[np.int64]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(0xFFFF)
_32 = np.uint64(32)
_16 = np.uint64(16)


@compiled
def fill_normals(
    out: npt.NDArray[np.float32],
    numbers: Numbers,
    readings: Numbers,
    table: npt.NDArray[np.float32],
    key0: int,
    key1: int,
) -> None:
    """Fill ``[n]`` with the normals of word ``reading % 8`` at each number of draw ``reading // 8``."""
    k0, k1 = np.uint64(key0), np.uint64(key1)
    for i in range(numbers.size):
        number, draw, word = np.uint64(numbers[i]), np.uint64(readings[i] // 8), readings[i] % 8
        c0, c1, c2, c3 = philox(number & _LOW, number >> _32, draw & _LOW, draw >> _32, k0, k1)
        half = c0 if word < 2 else c1 if word < 4 else c2 if word < 6 else c3
        out[i] = table[half >> _16 if word % 2 else half & _HALF]
