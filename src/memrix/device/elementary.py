"""Exponential, logarithm and power from sums and products alone: the same bits on any device, in any library.

The exponentials of torch, of its devices and of numba differ in their last bits, and a seed would mean other cells on
each. What is rounded operation by operation does not. ``kernels`` repeats these functions number by number.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# 2**x = sum of (x ln 2)**n / n!, from the highest degree: relative error 5e-9 for abs(x) <= 1/2.
EXP2 = tuple(math.log(2) ** degree / math.factorial(degree) for degree in range(7, -1, -1))
# log2(m) = 2 / ln 2 * (t + t**3 / 3 + ...) with t = (m - 1) / (m + 1), over t**2 from the highest degree: 4e-10.
LOG2 = tuple(2 / math.log(2) / degree for degree in range(9, 0, -2))
LEAST, MOST = -126.0, 127.0  # exponents of normal float32 numbers
BIAS, MANTISSA_BITS, MANTISSA, HALF = 127, 23, 0x7FFFFF, 0x3F000000


def exp2(x: Tensor) -> Tensor:
    """``2**x`` of float32 within 2e-7 relative; beyond the normal numbers the smallest or largest of them."""
    x = x.clamp(LEAST, MOST)
    whole = x.round()
    rest = x.sub_(whole)
    result = rest * EXP2[0]
    for coefficient in EXP2[1:-1]:
        result.add_(coefficient).mul_(rest)
    result.add_(EXP2[-1])
    return result.mul_(whole.to(torch.int32).add_(BIAS).bitwise_left_shift_(MANTISSA_BITS).view(torch.float32))


def log2(x: Tensor) -> Tensor:
    """The logarithm to base 2 of positive normal float32, within 2e-7 of the larger of 1 and the result."""
    bits = x.contiguous().view(torch.int32)
    exponent = (bits >> MANTISSA_BITS).sub_(BIAS - 1)
    mantissa = (bits & MANTISSA).bitwise_or_(HALF).view(torch.float32)  # from 1/2 to 1
    small = mantissa < math.sqrt(0.5)
    mantissa = torch.where(small, mantissa + mantissa, mantissa)
    exponent = (exponent - small.to(torch.int32)).to(torch.float32)
    t = (mantissa - 1).div_(mantissa + 1)
    square = t * t
    result = square * LOG2[0]
    for coefficient in LOG2[1:-1]:
        result.add_(coefficient).mul_(square)
    return result.add_(LOG2[-1]).mul_(t).add_(exponent)


def power(x: Tensor, exponent: float) -> Tensor:
    """``x**exponent`` of float32 from 0 on, within 1e-6 relative."""
    return exp2(log2(x).mul_(exponent))
