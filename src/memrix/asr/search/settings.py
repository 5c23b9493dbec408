"""How wide a beam search looks, and how it weighs what it hears against what is likely to be said."""

from __future__ import annotations

from dataclasses import dataclass

from memrix.asr.counts import count_problems
from memrix.errors import DataError
from memrix.toolkit import listing, shown

WIDEST = 1 << 20  # hypotheses, or labels; the search keeps them all in memory
LARGEST_SCALE = 1e4
_RANGES = {
    "threshold": (1e-6, 1e6),  # nats; nothing is dropped
    "lm_scale": (0, LARGEST_SCALE),
    "prior_scale": (0, LARGEST_SCALE),
    "word_score": (-LARGEST_SCALE, LARGEST_SCALE),
}


@dataclass(frozen=True)
class SearchSettings:
    """Width and weights of a beam search.

    The defaults are the widths of arXiv 2505.24721, and scales from the middle of those that it found on dev data;
    `memrix.asr.search.tuning` finds those of a model.

    A sequence of words has the score
    ``log p(labels) - prior_scale * log prior(labels) + lm_scale * log10 p(words) + word_score * words``,
    where the language model counts in logarithms to the base of 10, as ARPA files, KenLM and the paper do.

    Attributes:
        beam_size: hypotheses that are kept after each frame.
        token_beam: labels that are considered in each frame, the likeliest first.
        threshold: hypotheses so far below the best are dropped, in nats.
        lm_scale: weight of the language model.
        prior_scale: weight of the label prior that is taken off.
        word_score: added for each word, in nats.
        log_add: add the probabilities of all paths of a word sequence, where the default takes the best path.

    Raises:
        DataError: settings out of range; all are listed.
    """

    beam_size: int = 1024
    token_beam: int = 12
    threshold: float = 14.0
    lm_scale: float = 2.4
    prior_scale: float = 0.5
    word_score: float = 0.0
    log_add: bool = False

    def __post_init__(self) -> None:
        problems = count_problems(self, ("beam_size", "token_beam"), 1, WIDEST)
        problems += [
            f"{name} is a number from {low:g} to {high:g}, got {shown(value)}"
            for name, (low, high) in _RANGES.items()
            if not _is_number(value := getattr(self, name), low, high)
        ]
        logical: object = self.log_add
        if not isinstance(logical, bool):
            problems.append(f"log_add is true or false, got {shown(self.log_add)}")
        if problems:
            raise DataError(f"the settings of the search cannot be used:{listing(problems)}")


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
