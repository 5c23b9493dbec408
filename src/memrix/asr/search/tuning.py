"""Scales of the language model and of the label prior with the fewest word errors on dev data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from memrix.asr.corpus import listing
from memrix.asr.scoring import count_errors, word_error_rate
from memrix.asr.search.beam import BeamSearch
from memrix.asr.search.settings import SearchSettings
from memrix.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

LM_SCALES = (0.8, 1.2, 1.6, 2.0, 2.4, 2.8, 3.2)
PRIOR_SCALES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Around what arXiv 2505.24721 found: 2.0 to 2.8 and 0.3 to 0.7."""

Scales = tuple[float, float]
"""Of the language model and of the prior."""

Ranking = tuple[int, float, float]
"""Errors and scales; the least is the best."""


@dataclass(frozen=True)
class TuningPoint:
    """A pair of scales, and the word errors with it."""

    lm_scale: float
    prior_scale: float
    errors: int
    words: int

    @property
    def word_error_rate(self) -> float:
        """Errors over words; 0.04 is 4 %."""
        return word_error_rate([self.errors], [self.words])


@dataclass(frozen=True)
class Tuning:
    """What a tuning has found.

    Attributes:
        best: settings with the fewest errors; of equals, those with the smaller scales.
        points: every pair of scales that was tried, in this order.
        at_edge: scales whose best value is the first or last of those to be tried; better ones may be beyond.
    """

    best: SearchSettings
    points: tuple[TuningPoint, ...]
    at_edge: tuple[str, ...]


def tune(
    search: BeamSearch,
    log_probabilities: Sequence[Tensor | npt.NDArray[np.floating]],
    references: Sequence[str],
    *,
    lm_scales: Sequence[float] = LM_SCALES,
    prior_scales: Sequence[float] = PRIOR_SCALES,
    n_jobs: int = 1,
    progress: Callable[[int, int, TuningPoint], None] | None = None,
) -> Tuning:
    """Search utterances with pairs of scales; the other settings stay those of ``search``.

    All values of one scale are tried at the best of the other, turn by turn, until no value is better. The search
    begins at the scales nearest to those of ``search``.

    Args:
        search: its network and prior are used throughout.
        log_probabilities: of each utterance, ``[frames, labels]``.
        references: the transcript of each utterance.
        lm_scales: of the language model.
        prior_scales: of the label prior.
        n_jobs: processes that search at once; -1 for one on each core.
        progress: called after each pair with how many were tried, how many there are at most, and the result.

    Raises:
        DataError: numbers of utterances that differ, no words in the references, or scales that cannot be used.
        InputError: log-probabilities that are not numbers.
    """
    axes = _checked_axes(search, lm_scales, prior_scales)
    if len(log_probabilities) != len(references):
        raise DataError(f"{len(log_probabilities)} utterances and {len(references)} references; each needs its own")
    if not any(count_errors(said, "").words for said in references):
        raise DataError("a word error rate needs reference words, got none; give utterances with words")
    tried: dict[Scales, TuningPoint] = {}

    def errors_at(scales: Scales) -> Ranking:
        if scales not in tried:
            settings = replace(search.settings, lm_scale=scales[0], prior_scale=scales[1])
            texts = search.with_settings(settings).transcribe_each(log_probabilities, n_jobs=n_jobs)
            counts = [count_errors(said, text) for said, text in zip(references, texts, strict=True)]
            point = TuningPoint(*scales, sum(c.errors for c in counts), sum(c.words for c in counts))
            tried[scales] = point
            if progress is not None:
                progress(len(tried), len(axes[0]) * len(axes[1]), point)
        return (tried[scales].errors, *scales)

    best = min(_turns(search.settings, axes, errors_at), key=errors_at)
    at_edge = tuple(
        name
        for name, scale, axis in zip(("lm_scale", "prior_scale"), best, axes, strict=True)
        if len(axis) > 1 and (scale == axis[-1] or scale == axis[0] > 0)
    )
    settings = replace(search.settings, lm_scale=best[0], prior_scale=best[1])
    return Tuning(settings, tuple(tried.values()), at_edge)


def _turns(
    start: SearchSettings, axes: tuple[Sequence[float], Sequence[float]], errors_at: Callable[[Scales], Ranking]
) -> Iterator[Scales]:
    """The best pair of each line that coordinate search goes along."""
    lm_scale = min(axes[0], key=lambda scale: abs(scale - start.lm_scale))
    prior_scale = min(axes[1], key=lambda scale: abs(scale - start.prior_scale))
    before = None
    while (lm_scale, prior_scale) != before:
        before = lm_scale, prior_scale
        lm_scale = min(axes[0], key=lambda scale: errors_at((scale, prior_scale)))
        prior_scale = min(axes[1], key=lambda scale: errors_at((lm_scale, scale)))
        yield lm_scale, prior_scale


def _checked_axes(
    search: BeamSearch, lm_scales: Sequence[float], prior_scales: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    problems = []
    for name, scales in (("lm_scales", lm_scales), ("prior_scales", prior_scales)):
        if not scales:
            problems.append(f"{name} are empty; give at least one scale")
        problems += [f"{name} must be from 0 on, got {scale}" for scale in scales if not 0 <= scale < math.inf]
    if problems:
        raise DataError(f"the scales cannot be tuned:{listing(problems)}")
    search.with_settings(replace(search.settings, prior_scale=max(prior_scales)))  # refuses scales of a missing prior
    return tuple(sorted(set(lm_scales))), tuple(sorted(set(prior_scales)))
