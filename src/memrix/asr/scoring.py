"""Word error rates with intervals from a bootstrap over utterances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from memrix.asr.text import normalise
from memrix.errors import DataError

Counts = npt.NDArray[np.int64]


class ErrorCount(NamedTuple):
    """Word errors (substitutions, deletions, insertions) and words of the reference."""

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
