"""Pieces of words as labels, by byte-pair encoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from memrix.asr.labels.labels import BLANK, Labels


class PieceLabels(Labels):
    """Pieces that byte-pair encoding merged (Sennrich et al., arXiv 1508.07909); ``▁`` begins a word.

    Args:
        tokenizer: of the ``tokenizers`` library; its first token must be the blank.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        vocabulary = tokenizer.get_vocab()
        self.symbols = tuple(sorted(vocabulary, key=lambda symbol: vocabulary[symbol]))

    @classmethod
    def trained(cls, texts: Iterable[str], size: int) -> PieceLabels:
        """Pieces learned from texts, ``size`` of them with the blank; letters that do not occur cannot be spelled."""
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[BLANK], show_progress=False)
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    def spellings(self, word: str) -> tuple[tuple[str, ...], ...]:
        """The one way in which a word is cut into pieces."""
        pieces = self._tokenizer.encode(word).tokens
        # The library leaves out letters that it does not know.
        return (tuple(pieces),) if "".join(pieces).replace("▁", "") == word else ()

    def description(self) -> dict[str, Any]:
        """The tokenizer as its library writes it."""
        return {"kind": "pieces", "tokenizer": self._tokenizer.to_str()}

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> PieceLabels:
        """The inventory that ``description`` described."""
        return cls(Tokenizer.from_str(description["tokenizer"]))
