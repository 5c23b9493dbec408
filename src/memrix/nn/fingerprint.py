"""Whether a weight is still what it was, by its bits."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_LANES = 1021
_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def recording() -> bool:
    """Whether a graph is being captured, which cannot look at values."""
    return bool(torch.compiler.is_compiling() or torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


@dataclass(frozen=True)
class Fingerprint:
    """A weight at one moment.

    Attributes:
        shape: of the weight.
        dtype: of the weight.
        bits: a check sum of its words.
    """

    shape: torch.Size
    dtype: torch.dtype
    bits: int

    @classmethod
    def of(cls, weight: Tensor) -> Fingerprint:
        """Read every word of a weight: an edit through ``.data`` leaves no other trace."""
        flat = weight.detach().contiguous().view(-1)
        size = flat.element_size()
        whole = flat.numel() * size % 8 == 0 and flat.data_ptr() % 8 == 0
        return cls(weight.shape, weight.dtype, _check_sum(flat.view(torch.int64 if whole else _WORDS[size])))


def _check_sum(words: Tensor) -> int:
    """Of the words, or of many the sums over all that are ``_LANES`` apart: each knows the order that is left.

    A prime, so that neither rows nor columns of a matrix, nor blocks of them, meet in one sum when they change places.
    """
    whole = words.numel() // _LANES * _LANES
    if whole <= _LANES:
        return zlib.crc32(words.numpy(force=True))
    if words.device.type == "cpu":
        values = words.numpy()  # whose sums along the first axis take a third of torch's time
        return zlib.crc32(
            values[whole:], zlib.crc32(np.add.reduce(values[:whole].reshape(-1, _LANES), dtype=np.int64))
        )
    sums = words[:whole].view(-1, _LANES).sum(0, dtype=torch.int64)
    return zlib.crc32(words[whole:].numpy(force=True), zlib.crc32(sums.numpy(force=True)))


class Written:
    """The weight that cells were written from."""

    def __init__(self, weight: Tensor) -> None:
        self._take(weight)

    def is_still(self, weight: Tensor) -> bool:
        """Whether a weight is that one, or that one cast to another precision."""
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
