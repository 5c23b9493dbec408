"""Activation ranges from data."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from memrix.errors import CalibrationError

_BINS = 1 << 14
_MOST_CLIPPED = 0.01  # of the activations that are not zero


class RangeObserver:
    """The magnitude below which a share of all activations lies, over any number of batches.

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
                f"the percentile of an activation range lies above 0 and is at most 100, got {percentile!r}; "
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
        """The magnitude below which the share lies.

        Raises:
            CalibrationError: nothing was observed.
        """
        if self._counts is None:
            raise CalibrationError("no activation was observed, so there is no range")
        if self._share == 1 or self._top == 0:
            return self._largest
        below = self._counts.cumsum(0)
        others = int(below[-1])
        of_all = self._share * (others + self._zeros) - self._zeros
        of_others = min(self._share, 1 - _MOST_CLIPPED) * others
        position = int(torch.searchsorted(below, math.ceil(max(of_all, of_others))))
        return min(self._top * (position + 1) / _BINS, self._largest)
