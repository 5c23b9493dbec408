"""The outputs of a CTC model: phonemes with end-of-word variants, or subwords."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from memrix.asr.outside import PlainText, explained
from memrix.asr.pronunciation import Pronunciations
from memrix.errors import DataError
from memrix.toolkit import former_names, parse_json

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


class SubwordLabels(Labels):
    """Subwords by byte-pair encoding (Sennrich et al., arXiv 1508.07909); ``▁`` begins a word.

    Args:
        tokenizer: of the ``tokenizers`` library; its first token must be the blank.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        vocabulary = tokenizer.get_vocab()
        self.symbols = tuple(sorted(vocabulary, key=lambda symbol: vocabulary[symbol]))

    @classmethod
    def trained(cls, texts: Iterable[str], size: int) -> SubwordLabels:
        """Learn ``size`` subwords, blank included, from texts. Letters that do not occur cannot be spelled."""
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[BLANK], show_progress=False)
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    def spellings(self, word: str) -> tuple[tuple[str, ...], ...]:
        """The only way to split a word into subwords."""
        subwords = self._tokenizer.encode(word).tokens
        # The library leaves out letters that it does not know.
        return (tuple(subwords),) if "".join(subwords).replace("▁", "") == word else ()

    def description(self) -> dict[str, Any]:
        """The tokenizer as its library writes it."""
        return {"kind": "subwords", "tokenizer": self._tokenizer.to_str()}

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> SubwordLabels:
        """The inventory that ``description`` described.

        Raises:
            DataError: its library cannot read the tokenizer.
        """
        return cls(read_tokenizer(description["tokenizer"]))


def read_tokenizer(text: str) -> Tokenizer:
    """A tokenizer as its library wrote it.

    Raises:
        DataError: it cannot be read.
    """
    # Broad, because the tokenizer's Rust core raises bare Exceptions.
    with explained(DataError, "its tokenizer cannot be read", caught=Exception):
        return Tokenizer.from_str(text)


class _Metaspace(BaseModel, strict=True, extra="ignore"):
    type: Literal["Metaspace"]


class _BytePairs(BaseModel, strict=True, extra="ignore"):
    type: Literal["BPE"]
    vocab: dict[PlainText, int]
    dropout: None = None


class _Tokenizer(BaseModel, strict=True, extra="ignore"):
    """A tokenizer made by ``SubwordLabels.trained``: no normalizer, no patterns, only merges."""

    normalizer: None = None
    post_processor: None = None
    truncation: None = None
    padding: None = None
    pre_tokenizer: _Metaspace
    decoder: _Metaspace
    model: _BytePairs


def require_own_tokenizer(text: str) -> None:
    """Require a description of a tokenizer that memrix trained, before its library reads it.

    Raises:
        DataError: it has other parts, or subwords that are not numbered consecutively from the blank on.
    """
    with explained(DataError, "its tokenizer is none that memrix made", caught=ValueError):
        vocabulary = _Tokenizer.model_validate(parse_json(text)).model.vocab
    if sorted(vocabulary.values()) != list(range(len(vocabulary))) or vocabulary.get(BLANK) != 0:
        raise DataError(f"its subwords must be numbered from 0 on, {BLANK} first")


__getattr__ = former_names(__name__, {"PieceLabels": "SubwordLabels"})
