"""One cell in machine code of a CPU, for loops to call: as in ``elementary``, ``variability`` and ``switching``.

The operations are those of the tensors there, one by one in float32 and in the same order, so the bits are the same.
A product and a sum that a processor could fuse stay two operations: numba fuses none unless it is told to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from memrix._support.compilation import part_of_compiled
from memrix._support.philox_kernels import philox
from memrix.device.cell_numbers import Floats, Integers
from memrix.device.elementary import BIAS, EXP2, HALF, LEAST, LOG2, MANTISSA, MANTISSA_BITS, MOST
from memrix.device.parameters import HRS, LRS
from memrix.device.variability import COUNT, LOG2_10

LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_16 = np.uint64(16)
_HALF_WORD = np.uint64(0xFFFF)
_EXP2, _LOG2 = np.array(EXP2, dtype=np.float32), np.array(LOG2, dtype=np.float32)
_LEAST, _MOST = np.float32(LEAST), np.float32(MOST)
_BIAS, _MANTISSA_BITS, _MANTISSA, _HALF = (np.int32(number) for number in (BIAS, MANTISSA_BITS, MANTISSA, HALF))
_ONE_BIT, _ROOT = np.int32(1), np.float32(math.sqrt(0.5))
_ONE = np.float32(1)
_PER_DECADE = np.float32(-LOG2_10)


@part_of_compiled
def exp2(x: np.float32) -> np.float32:
    """As of ``elementary``."""
    x = min(max(x, _LEAST), _MOST)
    whole = np.rint(x)
    rest = x - whole
    result = rest * _EXP2[0]
    for coefficient in _EXP2[1:-1]:
        result = (result + coefficient) * rest
    result = result + _EXP2[-1]
    scale = np.int32((np.int32(whole) + _BIAS) << _MANTISSA_BITS).view(np.float32)
    return np.float32(result * scale)


@part_of_compiled
def log2(x: np.float32) -> np.float32:
    """As of ``elementary``."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32(bits >> _MANTISSA_BITS) - (_BIAS - _ONE_BIT)
    mantissa = np.int32((bits & _MANTISSA) | _HALF).view(np.float32)
    if mantissa < _ROOT:
        mantissa = mantissa + mantissa
        exponent = exponent - _ONE_BIT
    t = (mantissa - _ONE) / (mantissa + _ONE)
    square = t * t
    result = square * _LOG2[0]
    for coefficient in _LOG2[1:-1]:
        result = (result + coefficient) * square
    return np.float32((result + _LOG2[-1]) * t + np.float32(exponent))


@part_of_compiled
def power(x: np.float32, exponent: np.float32) -> np.float32:
    """As of ``elementary``."""
    return exp2(log2(x) * exponent)


@part_of_compiled
def polynomial(coefficients: Floats, x: np.float32) -> np.float32:
    """As of ``current``."""
    result = x * coefficients[0] + coefficients[1]
    for degree in range(2, coefficients.size):
        result = result * x + coefficients[degree]
    return np.float32(result)


@part_of_compiled
def draw(number: int, draw_number: int, keys: tuple[np.uint64, np.uint64]) -> tuple[np.uint64, ...]:
    """Philox at one number and draw of a stream."""
    n, d = np.uint64(number), np.uint64(draw_number)
    return philox(n & LOW, n >> _32, d & LOW, d >> _32, keys[0], keys[1])


@part_of_compiled
def component_of(edges: Integers, word: np.uint16) -> int:
    """The component of a mixture."""
    component = 0
    for edge in edges:
        component += word >= edge
    return component


# Arrays are passed one by one: a loop that took them out of a tuple would count its references each time.


@part_of_compiled
def device_row(means: Floats, factors: Floats, component: int, row: int, z: Floats) -> np.float32:
    """One row of a device of a component, in the order of ``DEVICE_ORDER``."""
    value = means[component, row]
    for column in range(row + 1):
        value = value + factors[component, row, column] * z[column]
    return np.float32(value)


@part_of_compiled
def innovation_of(innovation: Floats, row: int, e: Sequence[np.float32] | Floats) -> np.float32:
    """What the normals of a cycle contribute to one of its scores."""
    value = innovation[row, 0] * e[0]
    for column in range(1, row + 1):
        value = value + innovation[row, column] * e[column]
    return np.float32(value)


@part_of_compiled
def feature_of(
    polynomials: Floats,
    conductance: np.float32,
    per_conductance: np.float32,
    feature: int,
    offset: np.float32,
    scale: np.float32,
    score: np.float32,
) -> np.float32:
    """A feature of a cycle: a voltage in V, or a state."""
    shape = score * polynomials[feature, 0]
    for degree in range(1, polynomials.shape[1] - 1):
        shape = (shape + polynomials[feature, degree]) * score
    value = (shape + polynomials[feature, polynomials.shape[1] - 1]) * scale + offset
    if feature == HRS:
        value = exp2(value * _PER_DECADE)
    elif feature == LRS:
        value = _ONE / value
    else:
        return np.float32(value)
    return np.float32((value - conductance) * per_conductance)


@part_of_compiled
def next_scores(
    innovation: Floats,
    weights: Floats,
    history: Floats,
    cell: int,
    normals: Floats,
    c0: np.uint64,
    c1: np.uint64,
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Scores of the next cycle of a cell from what it draws; ``history``: of all, which moves on."""
    e = (normals[c0 & _HALF_WORD], normals[c0 >> _16], normals[c1 & _HALF_WORD], normals[c1 >> _16])
    s0, s1 = innovation_of(innovation, 0, e), innovation_of(innovation, 1, e)
    s2, s3 = innovation_of(innovation, 2, e), innovation_of(innovation, 3, e)
    slots = history.shape[1]
    first = weights.shape[0] - slots * COUNT
    for slot in range(slots):
        for feature in range(COUNT):
            remembered, column = history[cell, slot, feature], first + slot * COUNT + feature
            s0 = s0 + weights[column, 0] * remembered
            s1 = s1 + weights[column, 1] * remembered
            s2 = s2 + weights[column, 2] * remembered
            s3 = s3 + weights[column, 3] * remembered
            if slot:
                history[cell, slot - 1, feature] = remembered
    last = slots - 1
    history[cell, last, 0], history[cell, last, 1], history[cell, last, 2], history[cell, last, 3] = s0, s1, s2, s3
    return s0, s1, s2, s3


@part_of_compiled
def transition_of(
    low: Floats,
    slope: Floats,
    full_reset: np.float32,
    exponent: np.float32,
    r: np.float32,
    start: np.float32,
    floor: np.float32,
) -> np.float32:
    """Amplitude of the transition of a cell in state ``r`` from its RESET voltage to the current ``floor``."""
    upper = polynomial(low, start) + r * polynomial(slope, start)
    return np.float32((upper - floor) / power(abs(full_reset - start), exponent))
