"""Phonemes as labels, with a variant of each for the end of a word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from memrix.asr.labels.labels import BLANK, Labels
from memrix.asr.pronunciation import Pronunciations

END_OF_WORD = "#"


class PhonemeLabels(Labels):
    """Phonemes of a pronunciation dictionary; the last one of a word has its own label, ``AH#`` instead of ``AH``.

    So labels tell where words end without a label between words (arXiv 2505.24721).

    Args:
        pronunciations: words to their pronunciations in phonemes, most common first.
        phonemes: the inventory; by default, those of the pronunciations.
    """

    def __init__(self, pronunciations: Pronunciations, phonemes: Iterable[str] | None = None) -> None:
        if phonemes is None:
            phonemes = {phoneme for ways in pronunciations.values() for way in ways for phoneme in way}
        self.phonemes = tuple(sorted(phonemes))
        self._known = frozenset(self.phonemes)
        self.pronunciations = pronunciations
        self.symbols = (BLANK, *self.phonemes, *(f"{phoneme}{END_OF_WORD}" for phoneme in self.phonemes))

    def spellings(self, word: str) -> tuple[tuple[str, ...], ...]:
        """The pronunciations of a word, the last phoneme of each as its end-of-word variant."""
        return tuple(
            (*way[:-1], f"{way[-1]}{END_OF_WORD}")
            for way in self.pronunciations.get(word, ())
            if way and self._known.issuperset(way)
        )

    def description(self) -> dict[str, Any]:
        """The inventory and the dictionary."""
        return {
            "kind": "phonemes",
            "phonemes": list(self.phonemes),
            "pronunciations": {word: [" ".join(way) for way in ways] for word, ways in self.pronunciations.items()},
        }

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> PhonemeLabels:
        """The inventory that ``description`` described."""
        pronunciations = {
            word: tuple(tuple(way.split()) for way in ways) for word, ways in description["pronunciations"].items()
        }
        return cls(pronunciations, description["phonemes"])
