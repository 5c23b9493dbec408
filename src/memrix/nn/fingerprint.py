"""Whether a weight is still what it was, by its bits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memrix._support.compilation import compiled

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
# Odd constants of 32 bits: upper halves of those of splitmix64 (Steele et al., OOPSLA 2014, 10.1145/2660193.2660195).
_FIRST, _SECOND, _THIRD = (np.int64(c) for c in (0x9E3779B9, 0xBF58476D, 0x94D049BB))
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
        """Read every word of a weight once: an edit through ``.data`` leaves no other trace."""
        flat = weight.detach().contiguous().view(-1)
        size = flat.element_size()
        if flat.numel() * size % 8 == 0:
            # The words do not depend on the memory format of the weight.
            words = (flat if flat.data_ptr() % 8 == 0 else flat.clone()).view(torch.int64)
        else:
            words = flat.view(_WORDS[size])
        bits = _mixed_sum(words.numpy()) if words.device.type == "cpu" else _mixed_sum_of_tensor(words)
        return cls(weight.shape, weight.dtype, int(bits))


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


class Written:
    """The weight that cells were written from."""

    def __init__(self, weight: Tensor) -> None:
        self._take(weight)

    def is_still(self, weight: Tensor) -> bool:
        """Whether a weight is that one, or that one cast to another precision."""
        if weight.layout is not torch.strided or weight.is_meta:
            return False
        present = Fingerprint.of(weight)
        if present == self._bits:
            return True
        if present != self._cast.get(present.dtype):
            return False
        self._take(weight)  # what it is cast to next is compared with this
        return True

    def _take(self, weight: Tensor) -> None:
        self._bits = Fingerprint.of(weight)
        self._cast = {d: Fingerprint.of(weight.detach().to(d)) for d in _FLOATS if d != weight.dtype}
