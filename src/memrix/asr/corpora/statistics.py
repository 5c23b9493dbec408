"""What is in a corpus, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lhotse import MonoCut

    from memrix.asr.corpora.prepared import PreparedCorpus


def split_statistics(cuts: Iterable[MonoCut]) -> dict[str, Any]:
    """Utterances, hours, running words, different words and speakers."""
    return _figures(cuts)[0]


def corpus_statistics(corpus: PreparedCorpus, pronounced: Container[str] | None = None) -> dict[str, dict[str, Any]]:
    """Figures of every split, counted from the manifests.

    ``unseen_words`` is the share of running words that are not in the vocabulary of the training split,
    ``unpronounced_words`` that of words without a pronunciation; None where there is nothing to hold them against.

    Args:
        corpus: the corpus.
        pronounced: words that have a pronunciation.
    """
    statistics: dict[str, dict[str, Any]] = {}
    seen: Counter[str] | None = None
    for split in corpus.splits:
        figures, words = _figures(corpus.cuts(split))
        if split == "train":
            seen = words
        against = None if split == "train" else seen
        statistics[split] = {
            **figures,
            "unseen_words": _share_outside(words, against),
            "unpronounced_words": _share_outside(words, pronounced),
        }
    return statistics


def _figures(cuts: Iterable[MonoCut]) -> tuple[dict[str, Any], Counter[str]]:
    words: Counter[str] = Counter()
    speakers: set[str] = set()
    utterances, seconds = 0, 0.0
    for cut in cuts:
        said = cut.supervisions[0]
        utterances += 1
        seconds += cut.duration
        words.update(said.text.split())
        if said.speaker is not None:
            speakers.add(said.speaker)
    figures = {
        "utterances": utterances,
        "hours": round(seconds / 3600, 4),
        "words": words.total(),
        "vocabulary": len(words),
        "speakers": len(speakers),
    }
    return figures, words


def _share_outside(words: Counter[str], known: Container[str] | None) -> float | None:
    if known is None or not words:
        return None
    return sum(count for word, count in words.items() if word not in known) / words.total()
