"""The words that a search may find, and how they are spelled in the labels of a CTC model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from memrix.asr.corpus import listing
from memrix.asr.kept import hash_of
from memrix.asr.outside import text_problem
from memrix.errors import DataError

RESERVED = frozenset({"<s>", "</s>", "<unk>"})
"""Words that mean something else in a language model: begin and end of a sentence, and an unknown word."""


@dataclass(frozen=True)
class Lexicon:
    """Words to their spellings, each a sequence of label symbols, such as ``("K", "AE", "T#")``.

    Several words may share a spelling, and a word may have several; equal ones of a word count once.

    Args:
        spellings: what each word is spelled like. The lexicon keeps a copy.

    Raises:
        DataError: no words, words without a spelling, words that cannot stand in a text; all are listed.
    """

    spellings: Mapping[str, Sequence[Sequence[str]]]

    def __post_init__(self) -> None:
        if not self.spellings:
            raise DataError("a lexicon needs words, got none; give a mapping such as {'cat': [('K', 'AE', 'T#')]}")
        problems = [problem for word, ways in self.spellings.items() for problem in _problems(word, ways)]
        if problems:
            raise DataError(f"the lexicon has entries that cannot be used; fix or remove:{listing(problems)}")
        copied = {word: tuple(dict.fromkeys(tuple(way) for way in ways)) for word, ways in self.spellings.items()}
        object.__setattr__(self, "spellings", copied)

    @property
    def words(self) -> tuple[str, ...]:
        """The words, in the order given."""
        return tuple(self.spellings)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over words and spellings in their order."""
        return hash_of(*self.spellings.items())

    def numbered(self, symbols: Sequence[str]) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Every spelling as (position of its word, positions of its symbols in the inventory).

        Args:
            symbols: names of the labels; the first is the blank, which no word is spelled with.

        Raises:
            DataError: a symbol of the inventory occurs twice, or words are spelled with others; all are listed.
        """
        numbers = {symbol: i for i, symbol in enumerate(symbols)}
        if len(numbers) < len(symbols):
            repeated = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
            raise DataError(f"label symbols must differ, but {', '.join(repeated)} occur more than once")
        speakable = set(symbols[1:])
        problems = [
            f"{word}: {' '.join(way)} ({', '.join(sorted(set(way) - speakable))})"
            for word, ways in self.spellings.items()
            for way in ways
            if not speakable.issuperset(way)
        ]
        if problems:
            raise DataError(
                f"words are spelled with symbols that are not labels of the model (it has {len(speakable)} besides "
                f"the blank); spell them otherwise or leave them out:{listing(problems)}"
            )
        for position, ways in enumerate(self.spellings.values()):
            for way in ways:
                yield position, tuple(numbers[symbol] for symbol in way)


def _problems(word: str, ways: Sequence[Sequence[str]]) -> Iterator[str]:
    if not word or word.split() != [word]:
        yield f"{word!r}: a word must not be empty or hold blanks"
    problem = text_problem(word)
    if problem is not None:
        yield f"{problem}, which no file of text can"
    if word in RESERVED:
        yield f"{word}: is reserved in language models"
    if not ways:
        yield f"{word!r}: no spelling"
    for way in ways:
        if isinstance(way, str):
            yield f"{word!r}: a spelling is a tuple of label symbols, got the text {way!r}"
        elif not way:
            yield f"{word!r}: a spelling without labels"
