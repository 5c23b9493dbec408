"""How CTC recognizers find words: one lexicon, language model and set of scales, and a label prior for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from memrix.asr.kept import hash_of
from memrix.asr.labels import Labels
from memrix.asr.recognizer import Recognizer
from memrix.asr.search.beam import BeamSearch
from memrix.asr.search.language_model import LanguageModel
from memrix.asr.search.lexicon import Lexicon
from memrix.asr.search.settings import SearchSettings


@dataclass(frozen=True)
class Decoding:
    """How recognizers of one inventory of labels find words.

    Attributes:
        settings: scales and widths of the search.
        language_model: of the words.
        labels: the inventory, knowing how all words are spelled.
        words: that can be found.
        priors: of the labels, ``[labels]``, by the bits of the weights; of the float recognizer by None. A chip has
            that of its digital network, as in arXiv 2505.24721.
    """

    settings: SearchSettings
    language_model: LanguageModel
    labels: Labels
    words: tuple[str, ...]
    priors: Mapping[float | None, Tensor]

    @cached_property
    def lexicon(self) -> Lexicon:
        """The words and their spellings."""
        return Lexicon({word: self.labels.spellings(word) for word in self.words})

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that found words depend on."""
        priors = [[str(bits), prior.tolist()] for bits, prior in self.priors.items()]
        return hash_of(asdict(self.settings), self.language_model.sha256, self.lexicon.fingerprint, priors)

    def equip(self, recognizer: Recognizer) -> Recognizer:
        """The same recognizer, which finds words.

        Raises:
            AssetError: flashlight-text is not installed.
        """
        prior = self.priors[recognizer.weight_bits]
        search = BeamSearch(self.labels.symbols, self.lexicon, self.language_model, self.settings, prior)
        found = recognizer.with_network(recognizer.network)
        found.search, found.labels, found.words_by = search, self.labels, self
        return found

    def to_dict(self) -> dict[str, Any]:
        """What a result says of it."""
        return {
            **asdict(self.settings),
            "language_model_sha256": self.language_model.sha256,
            "words": len(self.words),
        }
