"""Subwords as labels, by byte-pair encoding (BPE)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from memrix.asr.labels.labels import BLANK, Labels
from memrix.asr.outside import PlainText, told
from memrix.errors import DataError
from memrix.toolkit import parse_json


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
        try:
            return cls(Tokenizer.from_str(description["tokenizer"]))
        except Exception as error:  # broad, because the tokenizer's Rust core raises bare Exceptions
            raise DataError(f"its tokenizer cannot be read ({error})") from error


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Metaspace(_Part):
    type: Literal["Metaspace"]


class _BytePairs(_Part):
    type: Literal["BPE"]
    vocab: dict[PlainText, int]
    dropout: None = None


class _Tokenizer(_Part):
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
    try:
        vocabulary = _Tokenizer.model_validate(parse_json(text)).model.vocab
    except ValidationError as error:
        raise DataError(f"its tokenizer is none that memrix made: {told(error)}") from error
    except ValueError as error:
        raise DataError(f"its tokenizer is none that memrix made: {error}") from error
    if sorted(vocabulary.values()) != list(range(len(vocabulary))) or vocabulary.get(BLANK) != 0:
        raise DataError(f"its subwords must be numbered from 0 on, {BLANK} first")
