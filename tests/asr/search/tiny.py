"""A bigram language model and a search by trying every path: small enough to be sure of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

ARPA = """\\data\\
ngram 1=7
ngram 2=5

\\1-grams:
-1.2\t<unk>
-99\t<s>\t-0.4
-0.7\t</s>
-0.5\ttea\t-0.3
-0.9\ttee\t-0.1
-0.8\teat\t-0.2
-1.1\ta\t-0.6

\\2-grams:
-0.3\t<s> tea
-0.6\ttea </s>
-0.2\ttea eat
-0.4\teat a
-0.5\ta tea

\\end\\
"""
UNIGRAMS = {"tea": (-0.5, -0.3), "tee": (-0.9, -0.1), "eat": (-0.8, -0.2), "a": (-1.1, -0.6), "</s>": (-0.7, 0.0)}
UNKNOWN = (-1.2, 0.0)
BIGRAMS = {
    ("<s>", "tea"): -0.3,
    ("tea", "</s>"): -0.6,
    ("tea", "eat"): -0.2,
    ("eat", "a"): -0.4,
    ("a", "tea"): -0.5,
}

Spellings = Mapping[str, Sequence[Sequence[str]]]
Numbers = tuple[int, ...]


def write_arpa(folder: Path, text: str = ARPA) -> Path:
    file = folder / "tiny.arpa"
    file.write_text(text)
    return file


def log10_of(words: Sequence[str]) -> float:
    """Katz back-off by hand."""
    total, before, backoff = 0.0, "<s>", -0.4
    for word in (*words, "</s>"):
        unigram, next_backoff = UNIGRAMS.get(word, UNKNOWN)
        total += BIGRAMS.get((before, word), backoff + unigram)
        before, backoff = word, next_backoff
    return total


Run = tuple[int, int]
"""A label and how many frames it lasts."""


def spelled(runs: Sequence[Run], spelling: Numbers, held: bool) -> Iterator[Sequence[Run]]:
    """What is left of the runs after a word, blanks before it and within it skipped.

    The last label lasts one frame; if it is ``held``, then more, or once more after a blank.
    """
    for label in spelling[:-1]:
        runs = after_blank(runs)
        if not runs or runs[0][0] != label:
            return
        runs = runs[1:]
    runs = after_blank(runs)
    if not runs or runs[0][0] != spelling[-1]:
        return
    if runs[0][1] == 1 or held:
        yield runs[1:]
    again = after_blank(runs[1:])
    if held and again and again[0] == (spelling[-1], 1):
        yield again[1:]


def after_blank(runs: Sequence[Run]) -> Sequence[Run]:
    return runs[1:] if runs and runs[0][0] == 0 else runs


def readings(runs: Sequence[Run], entries: Sequence[tuple[str, Numbers]]) -> Iterator[tuple[str, ...]]:
    """Every way to read the runs of a path as words."""
    if not after_blank(runs):
        yield ()
    for word, spelling in entries:
        longer = (*spelling, spelling[-1])
        held = all(other[: len(longer)] != longer for _, other in entries)
        for rest in spelled(runs, spelling, held):
            for words in readings(rest, entries):
                yield (word, *words)


def exhaustive(
    scores: np.ndarray,
    symbols: Sequence[str],
    spellings: Spellings,
    *,
    lm_scale: float,
    word_score: float = 0.0,
    log_add: bool = False,
) -> dict[str, float]:
    """Scores of all texts over all paths, ``scores`` being [frames, labels]."""
    entries = [
        (word, tuple(symbols.index(symbol) for symbol in way)) for word, ways in spellings.items() for way in ways
    ]
    found: dict[tuple[str, ...], float] = {}
    for path in itertools.product(range(len(symbols)), repeat=len(scores)):
        runs = [(label, len(list(frames))) for label, frames in itertools.groupby(path)]
        score = float(sum(scores[frame, label] for frame, label in enumerate(path)))
        for words in readings(runs, entries):
            before = found.get(words, -math.inf)
            found[words] = float(np.logaddexp(before, score)) if log_add else max(before, score)
    return {
        " ".join(words): score + lm_scale * log10_of(words) + word_score * len(words)
        for words, score in found.items()
    }


def random_log_probabilities(frames: int, labels: int, seed: int, sharpness: float = 2.0) -> np.ndarray:
    logits = sharpness * np.random.default_rng(seed).standard_normal((frames, labels))
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
