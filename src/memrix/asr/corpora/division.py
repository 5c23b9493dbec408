"""Which utterances are for training, development and test: as their source names them, or drawn by a hash."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from memrix.asr.corpora.prepared import SPLITS

SHARE = 0.1
"""Of the training utterances, what a split that is missing gets."""

_SEED = 0
_NAMES = {
    "train": ("train", "training"),
    "dev": ("dev", "development", "val", "valid", "validation"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLIT_OF = {name: split for split, names in _NAMES.items() for name in names}


def named_split(path: PurePath) -> str | None:
    """The split that a path names, in its first part that does: ``test`` of ``clean/eval-2/a``; None if none does."""
    words = (word for part in path.parts for word in re.split("[^a-z]+", part.lower()))
    return next((_SPLIT_OF[word] for word in words if word in _SPLIT_OF), None)


def divided(speakers: Mapping[str, str | None], named: Mapping[str, str | None]) -> tuple[dict[str, str], str]:
    """The split of every utterance, and a sentence about it.

    What has no named split is for training. Then, where nothing is named ``test`` or ``dev``, a tenth of the training
    utterances is drawn for it, by a hash: whole speakers, if all are known and a few of them make up a tenth. The
    same ids and speakers always give the same splits.

    Args:
        speakers: of every utterance by its id.
        named: split of every utterance by its id, as far as its source tells.
    """
    splits = {name: split or "train" for name, split in named.items()}
    told = set(splits.values()) if any(named.values()) else set[str]()
    drawn = []
    for split in ("test", "dev"):
        pool = {name: speakers[name] for name, found in splits.items() if found == "train"}
        if split not in told and len(pool) > 2:
            chosen, by = _drawn(pool)
            splits |= dict.fromkeys(chosen, split)
            drawn.append(f"{split} drawn by {by}")
    kept = [split for split in SPLITS if split in told]
    said = [f"{', '.join(kept)} as named"] if kept else []
    return splits, "; ".join(said + drawn) or "all for training"


def _drawn(pool: Mapping[str, str | None]) -> tuple[list[str], str]:
    """A tenth of these utterances, and what they were drawn by."""
    wanted = SHARE * len(pool)
    sizes = Counter(speaker for speaker in pool.values() if speaker is not None)
    chosen: set[str] = set()
    if sizes.total() == len(pool):
        taken = 0
        for speaker in _shuffled(list(sizes)):
            if taken < wanted and sizes[speaker] <= 2 * wanted:
                chosen.add(speaker)
                taken += sizes[speaker]
    if chosen:
        return [name for name, speaker in pool.items() if speaker in chosen], "whole speakers"
    return _shuffled(list(pool))[: max(1, round(wanted))], "a hash of the id"


def _shuffled(names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(f"{_SEED}\0{name}".encode()).hexdigest())
