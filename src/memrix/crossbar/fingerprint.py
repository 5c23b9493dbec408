"""Whether a weight is still what it was, by its bits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memrix._support import compilation
from memrix._support.compilation import compiled

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
# Odd constants of 32 bits: upper halves of those of splitmix64 (Steele et al., OOPSLA 2014, 10.1145/2660193.2660195).
_FIRST, _SECOND, _THIRD = (np.int64(c) for c in (0x9E3779B9, 0xBF58476D, 0x94D049BB))
_SHAPE_KEYS = (1, 1_000_003, 1_000_003**2, 1_000_003**3, 5, 7)  # of its axes
_HALF, _LOW = np.int64(32), np.int64(0xFFFFFFFF)


class Fingerprint(NamedTuple):
    """A weight at one moment.

    Attributes:
        shape: of the weight.
        dtype: of the weight.
        bits: of all its words and their places.
    """

    shape: torch.Size
    dtype: torch.dtype
    bits: int

    @classmethod
    def of(cls, weight: Tensor) -> Fingerprint:
        """Read every word of a weight once."""
        return cls(weight.shape, weight.dtype, int(_hash(weight.detach())))


@compiled
def _mixed_sum(words: npt.NDArray[np.int64]) -> np.int64:
    """Sum of the products of both halves of every word, each with a key of its place added.

    The hash NH of UMAC (Black et al., CRYPTO 1999, 10.1007/3-540-48405-1_14): a sum of the bare words would hide
    signs that flip and values that swap.
    """
    # Without a sign halves are shifted and multiplied by one instruction each.
    total, low_bits, half = np.uint64(0), np.uint64(_LOW), np.uint64(_HALF)
    first, second, third = np.uint64(_FIRST), np.uint64(_SECOND), np.uint64(_THIRD)
    for place in range(words.shape[0]):
        word, key = np.uint64(words[place]), np.uint64(place) & low_bits
        low = (word + key * first) & low_bits
        high = ((word >> half) + key * second + third) & low_bits
        total += low * high
    return np.int64(total)


def _mixed_sum_of_tensor(words: Tensor) -> Tensor:
    """The same sum on any device."""
    words = words.to(torch.int64)
    keys = torch.arange(words.numel(), device=words.device).bitwise_and_(int(_LOW))
    low = (words + keys * int(_FIRST)).bitwise_and_(int(_LOW))
    high = ((words >> 32).bitwise_and_(int(_LOW)) + keys * int(_SECOND) + int(_THIRD)).bitwise_and_(int(_LOW))
    return (low * high).sum()


def written_as(weight: Tensor) -> Tensor:
    """What a weight is told by in each precision that it may be cast to, int64 ``[4]``."""
    hashes = [_hash(weight.detach().to(dtype)) for dtype in _FLOATS]
    return torch.stack([torch.as_tensor(bits, device=weight.device) for bits in hashes])


def is_written(weight: Tensor, written: Tensor) -> bool | Tensor:
    """Whether a weight is the one that ``written_as`` was called with, or that one cast.

    On an accelerator the answer is a bool scalar there, for which nothing has to wait.
    """
    if weight.layout is not torch.strided or weight.is_meta or weight.dtype not in _FLOATS:
        return False
    bits, place = _hash(weight.detach()), _FLOATS.index(weight.dtype)
    return bits == written[place] if isinstance(bits, Tensor) else bits == int(written.numpy()[place])


def _hash(weight: Tensor) -> int | Tensor:
    """All words of a tensor, their places and its shape: an edit through ``.data`` leaves no other trace.

    64 bits with a sign; an int64 scalar on an accelerator.
    """
    flat = weight.contiguous().view(-1)
    size = flat.element_size()
    if flat.numel() * size % 8 == 0:
        # The words do not depend on where the weight lies.
        words = (flat if flat.data_ptr() % 8 == 0 else flat.clone()).view(torch.int64)
    else:
        words = flat.view(_WORDS[size])
    shape = sum(length * key for length, key in zip(weight.shape, _SHAPE_KEYS, strict=False))
    if words.device.type != "cpu":
        return _mixed_sum_of_tensor(words) + shape
    total = _mixed_sum(words.numpy()) if compilation.AVAILABLE else _mixed_sum_of_tensor(words)
    return (int(total) + shape + (1 << 63)) % (1 << 64) - (1 << 63)
