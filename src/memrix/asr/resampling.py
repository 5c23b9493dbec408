"""Draws of a ratio of sums over utterances and chips, both of which are samples of what could have been measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Rates = npt.NDArray[np.float64]

_DRAWS_AT_ONCE = 250

_SUBTRACTED = 0.5
"""Of the median that sums of chips differ by when chips are alike. In normal theory, intervals of 95 % then hold the
truth in 92 to 98 of 100 cases, for 2 to 10 chips and any size of what chips add; with all of it, in 90 to 98."""


@dataclass(frozen=True)
class Variances:
    """What the mean over chips of a sum over utterances varies by, were both drawn anew.

    Attributes:
        utterances: of the utterances, with what single chips make of single utterances.
        chips: that chips add to it, as they differ on all utterances alike; 0 for one chip.
    """

    utterances: float
    chips: float

    @property
    def total(self) -> float:
        """Of the mean."""
        return self.utterances + self.chips


def variances(values: Counts, weights: Counts) -> Variances:
    """Variances of ``values.mean(chips).sum(utterances)`` about its share of ``weights``, by moments.

    Chips that are alike differ in their sums too, by what they make of single utterances, which the variance of the
    utterances holds already: a part of that is subtracted.

    Args:
        values: ``[chips, utterances]``.
        weights: ``[utterances]``.
    """
    chips, utterances = values.shape
    residuals = values - values.sum() / (chips * max(weights.sum(), 1)) * weights  # [chips, utterances]
    means = residuals.mean(axis=0)
    few = utterances / max(utterances - 1, 1)
    of_utterances = few * float(((means - means.mean()) ** 2).sum())
    if chips == 1:
        return Variances(of_utterances, 0.0)
    from scipy import stats

    single = residuals - means - residuals.mean(axis=1, keepdims=True) + residuals.mean()
    of_single = few * float((single**2).sum()) / (chips * (chips - 1))
    of_sums = float(residuals.sum(axis=1).var(ddof=1)) / chips
    median = float(stats.chi2.median(chips - 1)) / (chips - 1)
    return Variances(of_utterances, max(of_sums - _SUBTRACTED * median * of_single, 0.0))


def draws(values: Counts, weights: Counts, resamples: int, seed: int) -> tuple[Rates, Counts]:
    """Draws of ``values.mean(chips).sum(utterances)`` and of ``weights.sum(utterances)``, each ``[resamples]``.

    Utterances are drawn with replacement. Two or five chips are too few for that: draws of two take three values.
    What chips add is drawn from a normal distribution instead, and a draw is stretched as far as Student's
    distribution with their degrees of freedom lies beyond the normal one, by the share of chips in the variance
    (Cochran, Biometrics 20, 1964).

    Args:
        values: ``[chips, utterances]``; of all chips the same utterances.
        weights: ``[utterances]``.
        resamples: how many draws.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    chips, utterances = values.shape
    table = np.stack([values.sum(axis=0), weights], axis=1)
    batches = (min(_DRAWS_AT_ONCE, resamples - done) for done in range(0, resamples, _DRAWS_AT_ONCE))
    chances = np.full(utterances, 1.0 / utterances)
    sums = np.concatenate([generator.multinomial(utterances, chances, size=size) @ table for size in batches])
    drawn, drawn_weights = sums[:, 0] / chips, sums[:, 1]
    found = variances(values, weights)
    if found.chips == 0.0:
        return drawn, drawn_weights
    mean, whole = values.sum() / chips, weights.sum()
    centers = mean / whole * drawn_weights if whole else np.full(resamples, mean)
    deviations = drawn - centers + generator.normal(0.0, np.sqrt(found.chips), size=resamples)
    return centers + _stretched(deviations, found, chips - 1), drawn_weights


def _stretched(deviations: Rates, found: Variances, freedom: int) -> Rates:
    from scipy import stats

    width, share = np.sqrt(found.total), found.chips / found.total
    normal = np.abs(deviations) / width
    student = stats.t.isf(stats.norm.sf(normal), freedom)
    stretched: Rates = np.sign(deviations) * width * ((1.0 - share) * normal + share * student)
    return stretched
