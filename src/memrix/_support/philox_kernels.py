"""The random streams of ``streams`` as machine code of a CPU: the same bits, many times as fast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable

from memrix._support.compilation import compiled
from memrix._support.streams import KEY_STEPS, MULTIPLIERS, ROUNDS, WORDS

Words = npt.NDArray[np.uint16]

_BLOCK = 256  # counters at a time: what they draw stays in the fastest cache
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(0xFFFF)
_32 = np.uint64(32)
_16 = np.uint64(16)
_M0, _M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
_W0, _W1 = np.uint64(KEY_STEPS[0]), np.uint64(KEY_STEPS[1])


def philox(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Philox 4x32-10 at one counter, for loops to call: uint64 of values below 2**32, in and out.

    Lanes of 64 bits are what a processor multiplies numbers of 32 bits in, so a loop over counters is vectorized.
    """
    for _ in range(ROUNDS):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _LOW, (p0 >> _32) ^ c3 ^ k1, p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


# A call in a loop would keep LLVM from vectorizing it, so the rounds are written into whoever calls them.
register_jitable(inline="always")(philox)


@compiled
def fill_words(out: Words, first_row: int, key0: int, key1: int) -> None:
    """Fill contiguous ``[n, columns]`` with the words of ``Stream.normal_block`` for rows from ``first_row`` on.

    Args:
        out: the words, uint16.
        first_row: the number of the first row.
        key0: ``Stream.keys``, the low half.
        key1: the high half.
    """
    rows, columns = out.shape
    groups = -(-columns // WORDS)
    k0, k1 = np.uint64(key0), np.uint64(key1)
    index = np.empty(_BLOCK, np.uint64)
    draw = np.empty(_BLOCK, np.uint64)
    drawn = np.empty(2 * _BLOCK, np.uint64)
    words = drawn.view(np.uint16)
    for start in range(0, rows * groups, _BLOCK):
        count = min(_BLOCK, rows * groups - start)
        # Short rows share a block: first the addresses of its counters, then all draws, then each row's words.
        row, group, at = start // groups, start % groups, 0
        while at < count:
            here = min(groups - group, count - at)
            number = np.uint64(first_row + row)
            indices, draws = index[at : at + here], draw[at : at + here]
            for i in range(here):
                indices[i] = np.uint64(group + i)
                draws[i] = number
            row, group, at = row + 1, 0, at + here
        for i in range(count):
            c0, c1, c2, c3 = philox(index[i] & _LOW, index[i] >> _32, draw[i] & _LOW, draw[i] >> _32, k0, k1)
            drawn[2 * i] = c0 | c1 << _32
            drawn[2 * i + 1] = c2 | c3 << _32
        row, group, at = start // groups, start % groups, 0
        while at < count:
            here = min(groups - group, count - at)
            column = group * WORDS
            width = min(here * WORDS, columns - column)
            source, target = words[at * WORDS :], out[row, column : column + width]
            for i in range(width):  # numba copies slices more slowly
                target[i] = source[i]
            row, group, at = row + 1, 0, at + here


@compiled
def fill_words_at(
    out: Words, index: npt.NDArray[np.int64], draws: npt.NDArray[np.int64], key0: int, key1: int
) -> None:
    """Fill contiguous ``[8, n]`` with ``Stream.words`` of ``index`` ``[n]``.

    Args:
        out: the words, uint16.
        index: int64.
        draws: int64 ``[n]``, or ``[1]`` for all: which of an index's draws.
        key0: ``Stream.keys``, the low half.
        key1: the high half.
    """
    k0, k1 = np.uint64(key0), np.uint64(key1)
    each = draws.size > 1
    for i in range(index.size):
        number, draw = np.uint64(index[i]), np.uint64(draws[i] if each else draws[0])
        c0, c1, c2, c3 = philox(number & _LOW, number >> _32, draw & _LOW, draw >> _32, k0, k1)
        out[0, i] = c0 & _HALF
        out[1, i] = c0 >> _16
        out[2, i] = c1 & _HALF
        out[3, i] = c1 >> _16
        out[4, i] = c2 & _HALF
        out[5, i] = c2 >> _16
        out[6, i] = c3 & _HALF
        out[7, i] = c3 >> _16
