"""Error rates of words and labels, and what sets two systems apart, with intervals over utterances and chips."""

from __future__ import annotations

import reprlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from memrix.asr.resampling import Counts, Rates, draws, variances
from memrix.asr.text import normalize
from memrix.errors import DataError

CONFIDENCE = 0.95
NOT_IN_INTERVALS = ("other trainings", "other speakers")
"""What no interval here contains: one network was trained once, and tested on one set of speakers."""

Errors = Sequence[int] | Sequence[Sequence[int]]
"""Errors of each utterance, or the same of each of several chips: ``[utterances]`` or ``[chips, utterances]``."""


class ErrorCount(NamedTuple):
    """Word errors (substitutions, deletions, insertions) and words of the reference, or the same of labels."""

    errors: int
    words: int


def count_errors(reference: str, hypothesis: str) -> ErrorCount:
    """Errors of a transcript against its reference, both normalized.

    Where a reference has no words left, each word of the transcript is an insertion.
    """
    return count_label_errors(normalize(reference).split(), normalize(hypothesis).split())


def count_label_errors(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> ErrorCount:
    """Errors of a sequence of labels, such as phonemes or their numbers, against its reference.

    Rates and intervals of labels are had from these counts as those of words are.
    """
    from rapidfuzz.distance import Levenshtein

    return ErrorCount(Levenshtein.distance(reference, hypothesis), len(reference))


def word_error_rate(errors: Errors, words: Sequence[int]) -> float:
    """Errors over reference words, summed over utterances; the mean of several chips. 0.04 is 4 %.

    Raises:
        DataError: no utterances, no words, or lengths that differ.
    """
    (counts,), totals = _checked([errors], words)
    return _rate(counts, totals)


INTERVALS_NOTE = (
    f"Intervals of {100 * CONFIDENCE:g} % are taken over utterances, and over chips where a row is the mean of "
    f"several; that of one chip is of this chip alone. None holds {' or '.join(NOT_IN_INTERVALS)}."
)
"""For below a table."""


def intervals_described() -> dict[str, object]:
    """What all intervals of a result have in common, for its JSON; ``resampled`` of each row says the rest."""
    return {"confidence": CONFIDENCE, "not_contained": list(NOT_IN_INTERVALS), "note": INTERVALS_NOTE}


def resampled(kind: str, chips: int = 1) -> str:
    """What an interval of so many systems of a kind was taken over; ``"chip"`` is the kind that could be another."""
    if kind != "chip":
        return "utterances"
    return "utterances, on this chip alone" if chips == 1 else "utterances and chips"


def wer_interval(
    errors: Errors,
    words: Sequence[int],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of the word error rate over utterances, and over chips where there are several.

    Of several chips it is that of their mean. Of one chip it is that of this chip alone. Where resampling utterances
    shows no spread (one utterance, or none with an error), the exact binomial interval over words is taken for them
    (Clopper and Pearson, Biometrika 26, 1934).

    Args:
        errors: of each utterance, or the same of each of several chips, all on the same utterances.
        words: of the reference of each utterance.
        confidence: 0.95 is 95 %.
        resamples: draws.
        seed: of the draws.

    Raises:
        DataError: no utterances, no words, lengths that differ, or settings out of range.
    """
    (counts,), totals = _checked([errors], words)
    return _interval(counts, totals, confidence, resamples, seed, signed=False)


@dataclass(frozen=True)
class Comparison:
    """How a system compares with a baseline on the same utterances; rates as shares, 0.04 is 4 %.

    Attributes:
        rate: word error rate of the system; the mean of several chips.
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
        """The difference as a share of the baseline's rate: 0.25 is 25 % more errors; infinite if that rate is 0."""
        return float(_relative(self.difference, self.baseline_rate))


def compare(
    errors: Errors,
    baseline_errors: Sequence[int],
    words: Sequence[int],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare word error rates of two systems on the same utterances by a paired bootstrap.

    Utterances are drawn with what both systems made of them, and chips where the system is several of them. The
    p-value is twice the share of draws in which the difference has not the sign of most (from the probability of
    improvement of Bisani and Ney, ICASSP 2004). One utterance alone gives 1.

    Raises:
        DataError: no utterances, no words, lengths that differ, several baselines, or settings out of range.
    """
    (counts, baseline), totals = _checked([errors, baseline_errors], words)
    if len(baseline) > 1:
        raise DataError(f"a comparison has one baseline, got {len(baseline)}; compare with each, or with one of them")
    differences = counts - baseline
    absolute = _interval(differences, totals, confidence, resamples, seed, signed=True)
    drawn, below = draws(differences, baseline[0], resamples, seed)
    # Shares may be infinite, between which nothing can be interpolated.
    low, high = np.quantile(_relative(drawn, below), _tails(confidence), method="nearest")
    fewer = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return Comparison(
        rate=_rate(counts, totals),
        baseline_rate=_rate(baseline, totals),
        difference_interval=absolute,
        relative_interval=(float(low), float(high)),
        p_value=1.0 if len(totals) == 1 else min(1.0, 2.0 * (fewer + 1) / (resamples + 1)),
    )


def _rate(counts: Counts, totals: Counts) -> float:
    return float(counts.sum() / (len(counts) * totals.sum()))


def _relative(difference: npt.ArrayLike, baseline: npt.ArrayLike) -> Rates:
    """Differences as shares of a baseline; infinite if the baseline is 0 and the difference is not."""
    above, below = np.asarray(difference, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    beside_none = np.where(above == 0.0, 0.0, np.copysign(np.inf, above))
    return np.divide(above, below, out=beside_none, where=below != 0.0)


def _checked(errors: Sequence[Errors], words: Sequence[int]) -> tuple[list[Counts], Counts]:
    """Error counts as ``[chips, utterances]`` each, and words as ``[utterances]``."""
    tables = [
        counts if len(counts) and isinstance(counts[0], Sequence | np.ndarray) else [counts] for counts in errors
    ]
    lengths = [len(row) for table in tables for row in table]  # type: ignore[arg-type]
    if any(length != len(words) for length in lengths):
        raise DataError(
            f"error counts for {', '.join(map(str, lengths))} utterances, word counts for {len(words)}; "
            "both must agree"
        )
    if len(words) == 0 or not _counts(words).any():
        raise DataError(f"a word error rate needs reference words, got {len(words)} utterances without any")
    return [_counts(table) for table in tables], _counts(words)


def _counts(values: object) -> Counts:
    """Values as int64, if they are counts."""
    given = np.asarray(values)
    if given.dtype.kind not in "iuf" or not np.all((given >= 0) & (given < 2**31) & (given == np.floor(given))):
        raise DataError(f"errors and words are counted: integers from 0, got {reprlib.repr(values)}")
    return given.astype(np.int64)


def _tails(confidence: float) -> tuple[float, float]:
    return (1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0


def _interval(
    counts: Counts, words: Counts, confidence: float, resamples: int, seed: int, *, signed: bool
) -> tuple[float, float]:
    """Of the mean over chips of the sum of counts, by words; ``signed``: whether it may be below 0."""
    if not 0.0 < confidence < 1.0 or resamples < 1:
        raise DataError(
            f"an interval needs a confidence in (0, 1) and at least one resample, got {confidence} and "
            f"{resamples}; 0.95 and 2000 are usual"
        )
    summed = counts.sum(axis=0)
    if np.array_equal(summed * words.sum(), summed.sum() * words):
        low, high = _exact(counts, words, confidence, signed=signed)
    else:
        drawn, drawn_words = draws(counts, words, resamples, seed)
        # A draw of nothing but empty references has no rate; its insertions are counted against one word.
        low, high = map(float, np.quantile(drawn / np.maximum(drawn_words, 1), _tails(confidence)))
    return (low, high) if signed else (max(low, 0.0), high)


def _exact(counts: Counts, words: Counts, confidence: float, *, signed: bool) -> tuple[float, float]:
    """Where every utterance has the same rate: binomial over words, with the chips' part added in quadrature."""
    from scipy import stats

    chips, total = len(counts), int(words.sum())
    rate = float(counts.sum()) / (chips * total)
    errors = round(abs(rate) * total)
    exact = stats.binomtest(min(errors, total), total).proportion_ci(confidence, method="exact")
    low, high = float(exact.low), max(float(exact.high), errors / total)
    if signed and rate == 0.0:
        low = -high
    elif rate < 0.0:
        low, high = -high, -low
    if chips == 1:
        return low, high
    of_chips = stats.t.ppf(_tails(confidence)[1], chips - 1) * np.sqrt(variances(counts, words).chips) / total
    return rate - float(np.hypot(rate - low, of_chips)), rate + float(np.hypot(high - rate, of_chips))
