"""The words of ``draws`` as machine code of a CPU."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import compiled
from memrix._support.philox_kernels import philox

Words = npt.NDArray[np.uint16]
Numbers = npt.NDArray[np.int64]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(0xFFFF)
_32 = np.uint64(32)
_16 = np.uint64(16)


@compiled
def fill_words(out: Words, numbers: Numbers, draws: Numbers, key0: int, key1: int) -> None:
    """Fill ``[8, n]`` with ``Stream.words`` of numbers ``[n]``; ``draws``: ``[n]``, or ``[1]`` for all."""
    k0, k1 = np.uint64(key0), np.uint64(key1)
    each = draws.size > 1
    for i in range(numbers.size):
        number, draw = np.uint64(numbers[i]), np.uint64(draws[i] if each else draws[0])
        c0, c1, c2, c3 = philox(number & _LOW, number >> _32, draw & _LOW, draw >> _32, k0, k1)
        out[0, i] = c0 & _HALF
        out[1, i] = c0 >> _16
        out[2, i] = c1 & _HALF
        out[3, i] = c1 >> _16
        out[4, i] = c2 & _HALF
        out[5, i] = c2 >> _16
        out[6, i] = c3 & _HALF
        out[7, i] = c3 >> _16


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
