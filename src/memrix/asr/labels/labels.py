"""The interface of an inventory of CTC labels."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from memrix.errors import DataError

BLANK = "<blank>"
"""The label of CTC that says nothing; it is label 0 everywhere."""


class Labels(ABC):
    """An inventory of labels: how words are spelled with it.

    Attributes:
        symbols: names of the labels; the first is the blank.
    """

    symbols: tuple[str, ...]

    @abstractmethod
    def spellings(self, word: str) -> tuple[tuple[str, ...], ...]:
        """Every way to spell a word, most common first; empty where there is none."""

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """What JSON can keep, and what builds the same inventory anew."""

    def encode(self, text: str) -> list[int]:
        """Labels of a text, each word by its most common spelling.

        Raises:
            DataError: words that cannot be spelled; all are listed.
        """
        unspellable = self.unspellable([text])
        if unspellable:
            raise DataError(
                f"no spelling is known for {', '.join(unspellable)}; add the pronunciations to a dictionary of your "
                "own, lines such as `HELLO HH AH L OW`"
            )
        return [self._numbers[symbol] for word in text.split() for symbol in self.spellings(word)[0]]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {symbol: number for number, symbol in enumerate(self.symbols)}

    def unspellable(self, texts: Iterable[str]) -> list[str]:
        """Words that cannot be spelled, in alphabetical order."""
        words = {word for text in texts for word in text.split()}
        return sorted(word for word in words if not self.spellings(word))

    def shortest_frames(self, labels: Sequence[int]) -> int:
        """Frames that CTC needs for these labels: one each, and a blank between equal neighbors."""
        return len(labels) + sum(a == b for a, b in itertools.pairwise(labels))
