"""Cells in machine code of a CPU, for loops to call: as in ``elementary``, ``variability`` and ``switching``.

The operations are those of the tensors there, one by one in float32 and in the same order, so the bits are the same.
A product and a sum that a processor could fuse stay two operations: numba fuses none unless it is told to. Cells are
computed some hundred at a time, number by number of a loop that the compiler makes vectors of; what they are computed
from stays in the fastest cache.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from memrix._support.compilation import part_of_compiled
from memrix._support.philox_kernels import philox
from memrix.device.cell_numbers import Floats, Integers
from memrix.device.elementary import BIAS, EXP2, HALF, LEAST, LOG2, MANTISSA, MANTISSA_BITS, MOST
from memrix.device.parameters import HRS, LRS
from memrix.device.variability import COUNT, LOG2_10

Keys = tuple[np.uint64, np.uint64]
Words = npt.NDArray[np.uint64]
Components = npt.NDArray[np.int32]

_HALF_ROWS = 4  # of devices: they take no more than as many normals
BLOCK = 512  # cells at a time
WORDS = 8  # of 16 bits at one counter
WORD_BITS, WORD_MASK = 3, 7  # of the number of a word: shifts are faster than divisions that could be of negatives
LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_E0, _E1, _E2, _E3, _E4, _E5, _E6, _E7 = (np.float32(number) for number in EXP2)
_L0, _L1, _L2, _L3, _L4 = (np.float32(number) for number in LOG2)
_LEAST, _MOST = np.float32(LEAST), np.float32(MOST)
_BIAS, _MANTISSA_BITS, _MANTISSA, _HALF = (np.int32(number) for number in (BIAS, MANTISSA_BITS, MANTISSA, HALF))
_ONE_BIT, _ROOT = np.int32(1), np.float32(math.sqrt(0.5))
_ONE = np.float32(1)
WHOLE = np.float32(3 << 22)  # added and taken away again, it rounds numbers below 2**22
_PER_DECADE = np.float32(-LOG2_10)


@part_of_compiled
def exp2(x: np.float32) -> np.float32:
    """As of ``elementary``."""
    x = _LEAST if x < _LEAST else x
    x = _MOST if x > _MOST else x
    whole = (x + WHOLE) - WHOLE
    rest = x - whole
    result = ((((rest * _E0 + _E1) * rest + _E2) * rest + _E3) * rest + _E4) * rest
    result = ((result + _E5) * rest + _E6) * rest + _E7
    return np.float32(result * np.int32((np.int32(whole) + _BIAS) << _MANTISSA_BITS).view(np.float32))


@part_of_compiled
def log2(x: np.float32) -> np.float32:
    """As of ``elementary``."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32(bits >> _MANTISSA_BITS) - (_BIAS - _ONE_BIT)
    mantissa = np.int32((bits & _MANTISSA) | _HALF).view(np.float32)
    small = mantissa < _ROOT
    mantissa = mantissa + mantissa if small else mantissa
    exponent = exponent - _ONE_BIT if small else exponent
    t = (mantissa - _ONE) / (mantissa + _ONE)
    square = t * t
    result = (((square * _L0 + _L1) * square + _L2) * square + _L3) * square + _L4
    return np.float32(result * t + np.float32(exponent))


@part_of_compiled
def power(x: np.float32, exponent: np.float32) -> np.float32:
    """As of ``elementary``."""
    return exp2(log2(x) * exponent)


@part_of_compiled
def normal_of(normals: Floats, word: np.integer[Any]) -> np.float32:
    """The normal number of a word."""
    return np.float32(normals[word])


@part_of_compiled
def draw(number: int, draw_number: int, keys: Keys) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Philox at one number and draw of a stream."""
    n, d = np.uint64(number), np.uint64(draw_number)
    return philox(n & LOW, n >> _32, d & LOW, d >> _32, keys[0], keys[1])


@part_of_compiled
def draw_all(out: Words, numbers: Integers, draws: Integers, count: int, keys: Keys) -> None:
    """Fill ``[2 * count]`` with the words of draws of cells, four in each, the lowest first."""
    for i in range(count):
        n, d = np.uint64(numbers[i]), np.uint64(draws[i])
        c0, c1, c2, c3 = philox(n & LOW, n >> _32, d & LOW, d >> _32, keys[0], keys[1])
        out[2 * i] = c0 | c1 << _32
        out[2 * i + 1] = c2 | c3 << _32


@part_of_compiled
def components_of(out: Components, words: npt.NDArray[np.uint16], edges: Integers) -> None:
    """The component of the mixture that each cell is of, from the words of its first draw."""
    out[:] = 0
    for edge in edges:
        for i in range(out.size):
            out[i] += np.int32(words[WORDS * i] >= edge)


@part_of_compiled
def device_row(out: Floats, means: Floats, factors: Floats, row: int, z: Floats, components: Components) -> None:
    """One row of devices, in the order of ``DEVICE_ORDER``.

    Args:
        out: to be filled.
        means: of ``DeviceModel``.
        factors: of ``DeviceModel``: 0 beyond the diagonal, so that normals there may be any.
        row: of devices.
        z: ``[8, cells]``: their normals, all of them finite.
        components: that they are of.
    """
    z0, z1, z2, z3, z4, z5, z6, z7 = z[0], z[1], z[2], z[3], z[4], z[5], z[6], z[7]
    for component in range(means.shape[0]):
        # For all cells, of which some take it: to sort them would cost more. And all normals at a time, in registers.
        mean, f = means[component, row], factors[component, row]
        f0, f1, f2, f3, f4, f5, f6, f7 = f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]
        if row < _HALF_ROWS:
            for i in range(out.size):
                value = mean + f0 * z0[i] + f1 * z1[i] + f2 * z2[i] + f3 * z3[i]
                out[i] = value if components[i] == component else out[i]
            continue
        for i in range(out.size):
            value = mean + f0 * z0[i] + f1 * z1[i] + f2 * z2[i] + f3 * z3[i]
            value = value + f4 * z4[i] + f5 * z5[i] + f6 * z6[i] + f7 * z7[i]
            out[i] = value if components[i] == component else out[i]


@part_of_compiled
def innovation_of(out: Floats, innovation: Floats, row: int, e: Floats) -> None:
    """What normals ``[4, cells]`` of a cycle contribute to one of its scores."""
    normals, factor = e[0], innovation[row, 0]
    for i in range(out.size):
        out[i] = factor * normals[i]
    for column in range(1, row + 1):
        normals, factor = e[column], innovation[row, column]
        for i in range(out.size):
            out[i] = out[i] + factor * normals[i]


@part_of_compiled
def feature_of(
    out: Floats,
    polynomials: Floats,
    conductance: np.float32,
    per_conductance: np.float32,
    feature: int,
    offset: Floats,
    scale: Floats,
    score: Floats,
) -> None:
    """A feature of a cycle: voltages in V, or states; ``out`` may be none of the others."""
    last, coefficient = polynomials.shape[1] - 1, polynomials[feature, 0]
    for i in range(out.size):
        out[i] = score[i] * coefficient
    for degree in range(1, last):
        coefficient = polynomials[feature, degree]
        for i in range(out.size):
            out[i] = (out[i] + coefficient) * score[i]
    coefficient = polynomials[feature, last]
    for i in range(out.size):
        out[i] = (out[i] + coefficient) * scale[i] + offset[i]
    if feature == HRS:
        for i in range(out.size):
            out[i] = (exp2(out[i] * _PER_DECADE) - conductance) * per_conductance
    elif feature == LRS:
        for i in range(out.size):
            out[i] = (_ONE / out[i] - conductance) * per_conductance


@part_of_compiled
def polynomial_of(out: Floats, coefficients: Floats, x: Floats, count: int) -> None:
    """As of ``current``."""
    first, second = coefficients[0], coefficients[1]
    for i in range(count):
        out[i] = x[i] * first + second
    for degree in range(2, coefficients.size):
        coefficient = coefficients[degree]
        for i in range(count):
            out[i] = out[i] * x[i] + coefficient


@part_of_compiled
def remember(scores: Floats, scratch: Floats, weights: Floats, history: Floats, cells: Integers, oldest: int) -> None:
    """Add to the scores ``[4, cells]`` of the next cycle of cells what their history does, which moves on.

    Args:
        scores: of the innovations so far.
        scratch: ``[cells]``.
        weights: of ``Technology``.
        history: of all cells of the block.
        cells: positions.
        oldest: the most cycles that any of them has behind it; there is nothing older to remember.
    """
    slots, count = history.shape[1], cells.size
    first = weights.shape[0] - slots * COUNT
    for slot in range(max(0, slots - oldest), slots):
        for feature in range(COUNT):
            for i in range(count):
                remembered = history[cells[i], slot, feature]
                scratch[i] = remembered
                if slot:
                    history[cells[i], slot - 1, feature] = remembered
            for row in range(COUNT):
                own, weight = scores[row], weights[first + slot * COUNT + feature, row]
                for i in range(count):
                    own[i] = own[i] + weight * scratch[i]
    for i in range(count):
        for row in range(COUNT):
            history[cells[i], slots - 1, row] = scores[row, i]
