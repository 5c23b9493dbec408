"""Whether a weight is still what it was, by its bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memrix.compilation import compiled

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
# Odd constants of splitmix64 (Steele et al., OOPSLA 2014, 10.1145/2660193.2660195), as signed integers.
_PLACE, _FIRST, _SECOND = (
    np.int64(c - (1 << 64)) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
_HALF, _LOW = np.int64(32), np.int64(0xFFFFFFFF)


@dataclass(frozen=True)
class Fingerprint:
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
            # The words are the same ones wherever the weight lies.
            words = (flat if flat.data_ptr() % 8 == 0 else flat.clone()).view(torch.int64)
        else:
            words = flat.view(_WORDS[size])
        bits = _mixed_sum(words.numpy()) if words.device.type == "cpu" else _mixed_sum_of_tensor(words)
        return cls(weight.shape, weight.dtype, int(bits))


@compiled
def _mixed_sum(words: npt.NDArray[np.int64]) -> np.int64:
    """Sum of words, each mixed with its place: a sum of the bare words hides signs that flip and values that swap."""
    total = np.int64(0)
    for place in range(words.shape[0]):
        word = np.int64(words[place]) ^ (np.int64(place) * _PLACE)
        word *= _FIRST
        word ^= (word >> _HALF) & _LOW
        word *= _SECOND
        # Last, for differences that a product leaves are the same ones for every word, and could cancel.
        total += word ^ ((word >> _HALF) & _LOW)
    return total


def _mixed_sum_of_tensor(words: Tensor) -> Tensor:
    """The same sum on any device."""
    words = words.to(torch.int64)
    places = torch.arange(words.numel(), device=words.device).mul_(int(_PLACE))
    words = places.bitwise_xor_(words).mul_(int(_FIRST))
    words = ((words >> 32) & int(_LOW)).bitwise_xor_(words).mul_(int(_SECOND))
    return ((words >> 32) & int(_LOW)).bitwise_xor_(words).sum()


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
