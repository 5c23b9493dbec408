"""Whether a weight is still what it was: a cheap look at its place and version, then at its bits."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

_SAMPLED = 1021  # words that also count by their position, so that permuted weights differ
_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def recording() -> bool:
    """Whether a graph is being captured, which cannot look at values."""
    return bool(torch.compiler.is_compiling() or torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


@dataclass(frozen=True)
class Fingerprint:
    """A weight at one moment.

    Attributes:
        shape: of the weight.
        dtype: of the weight.
        bits: sum of its words, and a sum of some of them that knows their order.
    """

    shape: torch.Size
    dtype: torch.dtype
    bits: tuple[int, int]

    @classmethod
    def of(cls, weight: Tensor) -> Fingerprint:
        """Read every word of a weight once: an edit through ``.data`` leaves no other trace."""
        flat = weight.detach().contiguous().view(-1)
        size = flat.element_size()
        whole = flat.numel() * size % 8 == 0 and flat.data_ptr() % 8 == 0
        words = flat.view(torch.int64 if whole else _WORDS[size])
        sampled = words[:: max(1, words.numel() // _SAMPLED)].to(torch.int64)
        order = _odd_numbers(sampled.numel(), sampled.device)
        return cls(weight.shape, weight.dtype, (int(words.sum(dtype=torch.int64)), int(torch.dot(sampled, order))))


@functools.lru_cache(maxsize=64)
def _odd_numbers(count: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.arange(1, 2 * count, 2, device=device)


class Written:
    """The weight that cells were written from."""

    def __init__(self, weight: Tensor) -> None:
        self._bits = Fingerprint.of(weight)
        self._sums = _row_sums(weight)

    def is_still(self, weight: Tensor) -> bool:
        """Whether a weight is that one; in another precision, to within that precision."""
        present = Fingerprint.of(weight)
        if present == self._bits:
            return True
        if present.dtype == self._bits.dtype or present.shape != self._bits.shape:
            return False
        coarser = max(torch.finfo(dtype).eps for dtype in (present.dtype, self._bits.dtype))
        sums = _row_sums(weight).to(self._sums.device)
        scale = self._sums.abs().amax(0)
        if not bool(((sums - self._sums).abs() <= 2 * coarser * scale).all()):
            return False
        self._bits = present
        return True


def _row_sums(weight: Tensor) -> Tensor:
    """Sums of magnitudes along the first axis and along the others, and of values, float64 on one axis."""
    values = weight.detach().double().flatten(1)
    magnitudes = values.abs()
    return torch.cat([values.sum(1), magnitudes.sum(1), magnitudes.sum(0)])
