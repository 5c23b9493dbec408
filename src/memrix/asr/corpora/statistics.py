"""What is in a corpus, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from memrix.asr.corpora.prepared import part_of

if TYPE_CHECKING:
    from lhotse import MonoCut

    from memrix.asr.corpora.prepared import PreparedCorpus


def split_statistics(splits: Mapping[str, Iterable[MonoCut]]) -> dict[str, dict[str, Any]]:
    """Utterances, hours, running words, different words and speakers, also of parts of a split."""
    return {name: count.figures() for split, cuts in splits.items() for name, count in _counted(split, cuts).items()}


def corpus_statistics(corpus: PreparedCorpus, pronounced: Container[str] | None = None) -> dict[str, dict[str, Any]]:
    """Figures of every split, and of its parts where it has several, counted from the manifests.

    ``unseen_words`` is the share of running words that are not in the vocabulary of the training split,
    ``seen_sentences`` that of utterances which are in the training split word for word, ``unpronounced_words`` that
    of words without a pronunciation; None where there is nothing to hold them against.

    Args:
        corpus: the corpus.
        pronounced: words that have a pronunciation.
    """
    statistics: dict[str, dict[str, Any]] = {}
    train: _Count | None = None
    for split in corpus.splits:
        counts = _counted(split, corpus.cuts(split))
        if split == "train":
            train = counts[split]
        known = None if split == "train" else train
        for name, count in counts.items():
            statistics[name] = {
                **count.figures(),
                "unseen_words": None if known is None else _share(count.words, known.words, inside=False),
                "seen_sentences": None if known is None else _share(count.sentences, known.sentences, inside=True),
                "unpronounced_words": None if pronounced is None else _share(count.words, pronounced, inside=False),
            }
    return statistics


@dataclass
class _Count:
    """What was counted of some utterances."""

    words: Counter[str] = field(default_factory=Counter)
    sentences: Counter[str] = field(default_factory=Counter)
    speakers: set[str] = field(default_factory=set)
    seconds: float = 0.0

    def add(self, cut: MonoCut) -> None:
        said = cut.supervisions[0]
        self.words.update(said.text.split())
        self.sentences[said.text] += 1
        self.seconds += cut.duration
        if said.speaker is not None:
            self.speakers.add(said.speaker)

    def figures(self) -> dict[str, Any]:
        return {
            "utterances": self.sentences.total(),
            "hours": round(self.seconds / 3600, 4),
            "words": self.words.total(),
            "vocabulary": len(self.words),
            "speakers": len(self.speakers),
        }


def _counted(split: str, cuts: Iterable[MonoCut]) -> dict[str, _Count]:
    """The whole split, then its parts if it has several."""
    whole, parts = _Count(), dict[str, _Count]()
    for cut in cuts:
        whole.add(cut)
        part = part_of(cut)
        if part is not None:
            parts.setdefault(f"{split}, {part}", _Count()).add(cut)
    return {split: whole, **(dict(sorted(parts.items())) if len(parts) > 1 else {})}


def _share(counted: Counter[str], known: Container[str], *, inside: bool) -> float | None:
    """Of what was counted, that which is known, or is not."""
    if not counted:
        return None
    return sum(count for item, count in counted.items() if (item in known) == inside) / counted.total()
