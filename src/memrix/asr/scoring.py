"""Error rates of words and labels, and what sets two systems apart, with a bootstrap over utterances."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from memrix.asr.text import normalise
from memrix.errors import DataError

Counts = npt.NDArray[np.int64]
Rates = npt.NDArray[np.float64]

_DRAWS_AT_ONCE = 250


class ErrorCount(NamedTuple):
    """Word errors (substitutions, deletions, insertions) and words of the reference, or the same of labels."""

    errors: int
    words: int


def count_errors(reference: str, hypothesis: str) -> ErrorCount:
    """Errors of a transcript against its reference, both normalised.

    Where a reference has no words left, each word of the transcript is an insertion.
    """
    import jiwer

    said, heard = normalise(reference), normalise(hypothesis)
    words = len(said.split())
    if not said or not heard:
        return ErrorCount(errors=words + len(heard.split()), words=words)
    alignment = jiwer.process_words(said, heard)
    return ErrorCount(alignment.substitutions + alignment.deletions + alignment.insertions, words)


def count_label_errors(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> ErrorCount:
    """Errors of a sequence of labels, such as phonemes or their numbers, against its reference.

    Rates and intervals of labels are had from these counts as those of words are.
    """
    from rapidfuzz.distance import Levenshtein

    return ErrorCount(Levenshtein.distance(reference, hypothesis), len(reference))


def word_error_rate(errors: Sequence[int], words: Sequence[int]) -> float:
    """Errors over reference words, summed over utterances; 0.04 is 4 %.

    Raises:
        DataError: no utterances, no words, or lengths that differ.
    """
    (counts,), totals = _checked([errors], words)
    return float(counts.sum() / totals.sum())


def wer_interval(
    errors: Sequence[int],
    words: Sequence[int],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the word error rate over utterances.

    Where resampling shows no spread (one utterance, or none with an error), the exact binomial interval
    over words is given instead (Clopper and Pearson, Biometrika 26, 1934).

    Raises:
        DataError: no utterances, no words, lengths that differ, or settings out of range.
    """
    (counts,), totals = _checked([errors], words)
    low, high = _bootstrap(counts, totals, confidence, resamples, seed)
    if low < high:
        return low, high
    return _binomial(int(counts.sum()), int(totals.sum()), confidence)


def paired_difference_interval(
    errors_a: Sequence[int],
    errors_b: Sequence[int],
    words: Sequence[int],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of WER_a - WER_b, where both heard the same utterances.

    Where resampling shows no spread, the net difference in words is taken as a binomial count.

    Raises:
        DataError: no utterances, no words, lengths that differ, or settings out of range.
    """
    (counts_a, counts_b), totals = _checked([errors_a, errors_b], words)
    low, high = _bootstrap(counts_a - counts_b, totals, confidence, resamples, seed)
    if low < high:
        return low, high
    net = int((counts_a - counts_b).sum())
    low, high = _binomial(abs(net), int(totals.sum()), confidence)
    if net == 0:
        return -high, high
    return (low, high) if net > 0 else (-high, -low)


@dataclass(frozen=True)
class Comparison:
    """How a system does beside a baseline that heard the same utterances; rates as shares, 0.04 is 4 %.

    Attributes:
        rate: word error rate of the system.
        baseline_rate: word error rate of the baseline.
        difference_interval: of ``difference``.
        relative_interval: of ``relative``.
        p_value: two-sided, of the hypothesis that both are equally good.
    """

    rate: float
    baseline_rate: float
    difference_interval: tuple[float, float]
    relative_interval: tuple[float, float]
    p_value: float

    @property
    def difference(self) -> float:
        """Rate of the system minus that of the baseline."""
        return self.rate - self.baseline_rate

    @property
    def relative(self) -> float:
        """The difference as a share of the baseline's rate: 0.25 is 25 % more errors; infinite beside none."""
        return float(_relative(self.difference, self.baseline_rate))


def compare(
    errors: Sequence[int],
    baseline_errors: Sequence[int],
    words: Sequence[int],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare word error rates of two systems on the same utterances by a paired bootstrap.

    Utterances are drawn with what both systems made of them. The p-value is twice the share of draws in which the
    difference has not the sign of most (from the probability of improvement of Bisani and Ney, ICASSP 2004). One
    utterance alone gives 1.

    Raises:
        DataError: no utterances, no words, lengths that differ, or settings out of range.
    """
    (counts, baseline), totals = _checked([errors, baseline_errors], words)
    absolute = paired_difference_interval(
        errors, baseline_errors, words, confidence=confidence, resamples=resamples, seed=seed
    )
    sums = _drawn_sums(np.stack([counts - baseline, baseline], axis=1), resamples, seed)  # [resamples, 2]
    tails = [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0]
    # Shares may be infinite, between which nothing can be interpolated.
    low, high = np.quantile(_relative(sums[:, 0], sums[:, 1]), tails, method="nearest")
    fewer = min(int((sums[:, 0] <= 0).sum()), int((sums[:, 0] >= 0).sum()))
    return Comparison(
        rate=float(counts.sum() / totals.sum()),
        baseline_rate=float(baseline.sum() / totals.sum()),
        difference_interval=absolute,
        relative_interval=(float(low), float(high)),
        p_value=1.0 if len(totals) == 1 else min(1.0, 2.0 * (fewer + 1) / (resamples + 1)),
    )


def _relative(difference: npt.ArrayLike, baseline: npt.ArrayLike) -> Rates:
    """Differences as shares of a baseline; infinite beside 0, except for no difference."""
    above, below = np.asarray(difference, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    beside_none = np.where(above == 0.0, 0.0, np.copysign(np.inf, above))
    return np.divide(above, below, out=beside_none, where=below != 0.0)


def _drawn_sums(table: Counts, resamples: int, seed: int) -> Counts:
    """Column sums of a table whose rows are drawn with replacement, as often as it has rows."""
    generator = np.random.default_rng(seed)
    rows = len(table)
    batches = (min(_DRAWS_AT_ONCE, resamples - done) for done in range(0, resamples, _DRAWS_AT_ONCE))
    chances = np.full(rows, 1.0 / rows)
    return np.concatenate([generator.multinomial(rows, chances, size=size) @ table for size in batches])


def _checked(errors: Sequence[Sequence[int]], words: Sequence[int]) -> tuple[list[Counts], Counts]:
    if any(len(counts) != len(words) for counts in errors):
        lengths = ", ".join(str(len(counts)) for counts in errors)
        raise DataError(f"error counts for {lengths} utterances, word counts for {len(words)}; both must agree")
    if len(words) == 0 or sum(words) == 0:
        raise DataError(f"a word error rate needs reference words, got {len(words)} utterances without any")
    return [np.asarray(counts, dtype=np.int64) for counts in errors], np.asarray(words, dtype=np.int64)


def _bootstrap(errors: Counts, words: Counts, confidence: float, resamples: int, seed: int) -> tuple[float, float]:
    from scipy import stats

    if not 0.0 < confidence < 1.0 or resamples < 1:
        raise DataError(
            f"an interval needs a confidence in (0, 1) and at least one resample, got {confidence} and "
            f"{resamples}; 0.95 and 2000 are usual"
        )
    if len(errors) == 1:
        rate = float(errors[0] / words[0])
        return rate, rate

    def rate_of(drawn_errors: Counts, drawn_words: Counts, axis: int = -1) -> npt.NDArray[np.float64]:
        # A draw of nothing but empty references has no rate; its insertions are counted against one word.
        rates: npt.NDArray[np.float64] = drawn_errors.sum(axis) / np.maximum(drawn_words.sum(axis), 1)
        return rates

    interval = stats.bootstrap(
        (errors, words),
        rate_of,
        paired=True,
        vectorized=True,
        method="percentile",
        confidence_level=confidence,
        n_resamples=resamples,
        batch=250,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _binomial(errors: int, words: int, confidence: float) -> tuple[float, float]:
    from scipy import stats

    exact = stats.binomtest(min(errors, words), words).proportion_ci(confidence, method="exact")
    return float(exact.low), max(float(exact.high), errors / words)
