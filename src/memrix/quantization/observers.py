"""Activation ranges from data."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from memrix.errors import CalibrationError

_BINS = 1 << 14


class RangeObserver:
    """The magnitude below which a share of all activations but zeros lies, over any number of batches.

    A few activations of a large network may be a hundred times as large as all others, and one range for both
    leaves the others no steps. Keeps a histogram, so its memory does not grow; its answer is exact to one bin, at
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

    def observe(self, activations: Tensor) -> bool:
        """Take in activations of any shape; False if they hold NaN or infinite values."""
        magnitudes = activations.detach().abs().float()
        largest = float(magnitudes.amax())
        if not largest < float("inf"):
            return False
        self._largest = max(self._largest, largest)
        if self._counts is None:
            self._counts = torch.zeros(_BINS, dtype=torch.int64, device=magnitudes.device)
            self._top = largest
        while largest > self._top > 0:
            # Twice the range in as many bins: neighbours merge, and the upper half is new.
            merged = self._counts.view(-1, 2).sum(1)
            self._counts = torch.cat((merged, torch.zeros_like(merged)))
            self._top *= 2
        if self._top == 0:
            self._top = largest
        self._counts += torch.histc(magnitudes, _BINS, 0.0, self._top or 1.0).to(torch.int64)
        # Zeros (padding, ReLU) need no range: counted, they would leave a sparse input none.
        self._counts[0] -= torch.count_nonzero(magnitudes == 0)
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
        wanted = math.ceil(self._share * int(self._counts.sum()))
        position = int(torch.searchsorted(self._counts.cumsum(0), wanted))
        return min(self._top * (position + 1) / _BINS, self._largest)
