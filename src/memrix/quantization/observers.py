"""Activation ranges from data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from memrix.errors import CalibrationError

_BINS = 1 << 14
_MOST_CLIPPED = 0.01  # of the activations that are not zero


@dataclass(frozen=True)
class Histogram:
    """Magnitudes of values that are not 0, counted in bins of equal width from 0 to ``top``.

    Attributes:
        counts: of the bins.
        top: upper edge of the last one.
        zeros: how many values were 0.
        largest: magnitude.
    """

    counts: tuple[int, ...]
    top: float
    zeros: int
    largest: float

    @property
    def values(self) -> int:
        """How many values were observed, zeros included."""
        return sum(self.counts) + self.zeros


class RangeObserver:
    """The magnitude below which a share of all activations is, over any number of batches.

    A few activations of a large network may be a hundred times as large as all others, and one range for both
    leaves the others no steps. At most 1 % of the activations that are not zero lie above: a sparse input keeps its
    values. Keeps a histogram, so its memory does not grow; its answer is exact to one bin, at
    most 1/8192 of the largest magnitude, and never exceeds that.

    Args:
        percentile: above 0, at most 100; 100 is the largest magnitude exactly.

    Raises:
        CalibrationError: another percentile.
    """

    def __init__(self, percentile: float) -> None:
        if isinstance(percentile, bool) or not isinstance(percentile, (int, float)) or not 0 < percentile <= 100:
            raise CalibrationError(
                f"the percentile of an activation range must be above 0 and at most 100, got {percentile!r}; "
                f"100 takes the largest magnitude, 99.99 leaves out one activation in 10,000"
            )
        self._share = percentile / 100
        self._counts: Tensor | None = None
        self._top = 0.0  # upper edge of the last bin
        self._largest = 0.0
        self._zeros = 0

    def observe(self, activations: Tensor) -> bool:
        """Take in activations of any shape; False if they hold NaN or infinite values."""
        magnitudes = activations.detach().abs().float()
        largest = float(magnitudes.amax())
        if not largest < float("inf"):
            return False
        self._largest = max(self._largest, largest)
        if self._counts is None:
            self._counts = torch.zeros(_BINS, dtype=torch.int64, device=magnitudes.device)
        while largest > self._top > 0:
            # Twice the range in as many bins: neighbors merge, and the upper half is new.
            merged = self._counts.view(-1, 2).sum(1)
            self._counts = torch.cat((merged, torch.zeros_like(merged)))
            self._top *= 2
        if self._top == 0:
            self._top = largest
        self._counts += torch.histc(magnitudes, _BINS, 0.0, self._top or 1.0).to(torch.int64)
        zeros = torch.count_nonzero(magnitudes == 0)
        self._counts[0] -= zeros
        self._zeros += int(zeros)
        return True

    def range(self) -> float:
        """The magnitude below which the share is.

        Raises:
            CalibrationError: nothing was observed.
        """
        below = self._observed().cumsum(0)
        if self._share == 1 or self._top == 0:
            return self._largest
        others = int(below[-1])
        of_all = self._share * (others + self._zeros) - self._zeros
        of_others = min(self._share, 1 - _MOST_CLIPPED) * others
        position = int(torch.searchsorted(below, math.ceil(max(of_all, of_others))))
        return min(self._top * (position + 1) / _BINS, self._largest)

    def histogram(self, bins: int) -> Histogram:
        """What was observed, in a number of bins that is a power of 2, at most 16,384.

        Raises:
            CalibrationError: nothing was observed.
        """
        counts = self._observed().view(bins, -1).sum(1).tolist()
        return Histogram(tuple(counts), self._top, self._zeros, self._largest)

    def above(self, limit: float) -> int:
        """How many of the values are above a magnitude; exact to one bin, and at a ``range()`` exact.

        Raises:
            CalibrationError: nothing was observed.
        """
        counts = self._observed()
        if limit >= self._largest:
            return 0
        # A range is an edge of a bin, but for the rounding of float32.
        return int(counts[math.ceil(limit / self._top * _BINS - 1e-2) :].sum())

    def _observed(self) -> Tensor:
        if self._counts is None:
            raise CalibrationError("no activation was observed, so there is no range")
        return self._counts
