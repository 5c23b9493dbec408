"""N-gram language models of words: ARPA files, plain or gzipped, and binary files of KenLM."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from memrix.asr.files import sha256_of
from memrix.asr.search.arpa import read_arpa_head
from memrix.asr.search.decoder_library import is_binary
from memrix.errors import DataError
from memrix.toolkit import file_path

MIN_ORDER, MAX_ORDER = 2, 6
"""What KenLM reads as it is built into flashlight-text."""


@dataclass(frozen=True)
class LanguageModel:
    """A file that KenLM reads, and what is known of it.

    Attributes:
        path: where it is.
        counts: n-grams of each order, from 1 on; None for a binary file.
        words: its vocabulary without marks; None for a binary file, which keeps only hashes.
        has_unknown: whether words that it does not know have a probability; None for a binary file.
    """

    path: Path
    counts: tuple[int, ...] | None
    words: frozenset[str] | None
    has_unknown: bool | None

    @property
    def order(self) -> int | None:
        """Words of its longest n-grams; None for a binary file."""
        return None if self.counts is None else len(self.counts)

    @cached_property
    def sha256(self) -> str:
        """Hash of the file."""
        return sha256_of(self.path)

    def unknown(self, words: Iterable[str]) -> list[str]:
        """Which of some words it does not contain, in order; unknown for a binary file."""
        known = self.words
        return [] if known is None else [word for word in words if word not in known]


def open_language_model(path: Path) -> LanguageModel:
    """The language model in a file; what the file is, is seen from how it begins.

    The n-grams themselves are checked by KenLM when a search loads them.

    Raises:
        DataError: no such file, no language model, unigrams that cannot be right, or an order out of range.
    """
    if is_binary(file_path(path, DataError, "the path of a language model")):
        return LanguageModel(path, None, None, None)
    head = read_arpa_head(path)
    order = len(head.counts)
    if not MIN_ORDER <= order <= MAX_ORDER:
        raise DataError(
            f"{path} has n-grams of up to {order} words; KenLM takes {MIN_ORDER} to {MAX_ORDER}: estimate it with "
            f"another order"
        )
    return LanguageModel(path, head.counts, head.words, head.has_unknown)
