"""What figures of several chips say: mean, deviation, quantiles, and how sure the mean is.

Two intervals, of different questions:

- over chips, with the data given: Student's t interval of the mean, m ± t s / sqrt(n), of n chips whose figures have
  the standard deviation s. It holds for a further chip of the same kind on the same data;
- over chips and data: percentiles of a bootstrap that draws chips and, independently of them, items with replacement
  (A. B. Owen, "The pigeonhole bootstrap", Ann. Appl. Stat. 1, 2007). All chips see the same items, so an item is
  drawn for all chips at once. Of n there are n - 1 draws, which makes the variance of a mean unbiased. The interval
  is too wide, by up to sqrt(3), where single items on single chips vary and neither chips nor items do; with fewer
  than ten chips it covers less than its confidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np

from memrix.studies.metric import Measured

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_DRAWS = 2000
_SEED = 20_070
_MOST_AT_ONCE = 1 << 24  # numbers in memory


@dataclass(frozen=True)
class Estimate:
    """The metric over chips.

    Attributes:
        mean: over the chips; None where all have failed.
        deviation: standard deviation between chips, from n - 1; None of fewer than two.
        quantiles: of the figures of chips, by their shares.
        interval: of the mean over chips, with the data given; None of fewer than two chips.
        data_interval: of the mean over chips and items; None of fewer than two chips or items, or where chips differ
            in the number of items.
        confidence: of both intervals.
        chips: that have a figure.
        failed: that have none.
        items: of the data; 0 where chips differ in it.
    """

    mean: float | None
    deviation: float | None
    quantiles: dict[float, float]
    interval: tuple[float, float] | None
    data_interval: tuple[float, float] | None
    confidence: float
    chips: int
    failed: int
    items: int

    @classmethod
    def of(cls, measured: Sequence[Measured], *, confidence: float = 0.95, failed: int = 0) -> Estimate:
        """The estimate from the figures of chips, and the number of chips that have failed."""
        means = [each.mean for each in measured]
        sizes = {len(each.values) for each in measured}
        return cls(
            mean=fmean(means) if means else None,
            deviation=stdev(means) if len(means) > 1 else None,
            quantiles={share: float(np.quantile(means, share)) for share in QUANTILES} if means else {},
            interval=t_interval(means, confidence),
            data_interval=bootstrap_interval(measured, confidence),
            confidence=confidence,
            chips=len(means),
            failed=failed,
            items=sizes.pop() if len(sizes) == 1 else 0,
        )

    @property
    def half_width(self) -> float | None:
        """Half the width of the interval over chips."""
        return None if self.interval is None else (self.interval[1] - self.interval[0]) / 2

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return {**asdict(self), "quantiles": {f"{share:g}": value for share, value in self.quantiles.items()}}


def t_interval(figures: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """Student's t interval of the mean; None of fewer than two figures."""
    if len(figures) < 2:
        return None
    half = t_quantile((1 + confidence) / 2, len(figures) - 1) * stdev(figures) / math.sqrt(len(figures))
    return fmean(figures) - half, fmean(figures) + half


def bootstrap_interval(measured: Sequence[Measured], confidence: float) -> tuple[float, float] | None:
    """Percentiles of the mean where chips and items are drawn anew; None where there is nothing to draw from."""
    sizes = {len(each.values) for each in measured}
    if len(measured) < 2 or len(sizes) != 1 or 1 in sizes:
        return None
    values = np.stack([each.values.numpy() for each in measured])  # [chips, items]
    weights = np.stack([each.weights.numpy() for each in measured])
    generator = np.random.Generator(np.random.Philox(_SEED))
    means: list[np.ndarray[Any, Any]] = []
    at_once = max(1, min(_DRAWS, _MOST_AT_ONCE // values.size))
    while sum(map(len, means)) < _DRAWS:
        means.append(_drawn_means(values, weights, at_once, generator))
    low, high = np.quantile(np.concatenate(means)[:_DRAWS], [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _drawn_means(
    values: np.ndarray[Any, Any], weights: np.ndarray[Any, Any], draws: int, generator: np.random.Generator
) -> np.ndarray[Any, Any]:
    """Means of so many draws of chips and items: the mean over the chips of each one's weighted mean over items."""
    chips, items = values.shape
    times_chip = generator.multinomial(chips - 1, np.full(chips, 1 / chips), size=draws)  # [draws, chips]
    times_item = generator.multinomial(items - 1, np.full(items, 1 / items), size=draws)  # [draws, items]
    sums, totals = times_item @ (values * weights).T, times_item @ weights.T  # [draws, chips]
    per_chip = np.divide(sums, totals, out=np.zeros(sums.shape), where=totals > 0)
    counted = times_chip * (totals > 0)  # no mean is known of a chip whose drawn items all have the weight 0
    return np.asarray((counted * per_chip).sum(1) / np.maximum(counted.sum(1), 1))


def t_quantile(share: float, degrees: int) -> float:
    """Quantile of Student's t distribution, for a share of at least 0.5 and whole degrees of freedom.

    The distribution function has a finite sum in the angle atan(t / sqrt(degrees)): M. Abramowitz, I. A. Stegun,
    Handbook of Mathematical Functions, 26.7.3 and 26.7.4. It is inverted by halving.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < 2 * share - 1 else (low, middle)
    return math.sqrt(degrees) * math.tan((low + high) / 2)


def _within(angle: float, degrees: int) -> float:
    """The probability that |t| is below sqrt(degrees) tan(angle)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = total = cosine if odd and degrees > 1 else float(not odd)
    for power in range(3 if odd else 2, degrees - 1, 2):
        term *= cosine**2 * (power - 1) / power
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
