"""What a beam search walks through: a tree of spellings, with the words at their ends."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from memrix.asr.search.decoder_library import decoder_library, load_kenlm
from memrix.asr.search.emissions import BLANK, Emissions
from memrix.asr.search.language_model import LanguageModel
from memrix.asr.search.lexicon import Lexicon
from memrix.asr.search.settings import SearchSettings
from memrix.errors import DataError
from memrix.toolkit import listed

if TYPE_CHECKING:
    from flashlight.lib.text.decoder import LM, LexiconDecoder

_UNKNOWN = "<unk>"
_WORDS_OF_A_NODE = 6
"""flashlight keeps so many words at the end of a spelling and drops others (``kTrieMaxLabel`` in its Trie.h)."""

_TIE = 1e-9
"""Scores that differ by less than this share of them are equal."""

_IMPOSSIBLE = np.float32(-1e30)
_WORDS_SHOWN = 20

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Resources:
    """What a network is built from; unlike the network, it can be sent to another process."""

    symbols: tuple[str, ...]
    lexicon: Lexicon
    language_model: LanguageModel | None

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Equal for equal networks."""
        model = ("",) if self.language_model is None else (str(self.language_model.path), self.language_model.sha256)
        return (*model, self.lexicon.fingerprint, *self.symbols)


class Network:
    """A tree of spellings, a language model, and columns of scores as flashlight's decoder needs them.

    The decoder of flashlight departs from CTC at the ends of words. Extra columns correct that:

    - The last label of a word would last one frame only. So a word is also found by its spelling with that label once
      more, unless another word begins like that. A blank between the two is accepted, which CTC would not do.
    - A word that ends in the same label twice would need no blank between. It gets its own blank there, of which
      ``log_add`` may count a path more than once.
    - Between words, the decoder expects a label of silence. CTC models that tell words apart by their labels have
      none, and with the blank in its place each blank would be two paths. So silence is a label that cannot occur.
    - A seventh word of the same spelling would be dropped. Its last label has a copy.

    Raises:
        AssetError: flashlight-text is not installed.
        DataError: spellings with other symbols, a language model that cannot be read, or one that has no
            probability for words of the lexicon.
    """

    def __init__(self, resources: Resources) -> None:
        library = decoder_library()
        self._library = library
        self.words = resources.lexicon.words
        self._columns = _Columns(len(resources.symbols))
        paths = list(_paths(list(resources.lexicon.numbered(resources.symbols)), self._columns))
        self._model = self._load(resources.language_model)
        start = self._model.start(True)
        # The look-ahead uses the probability of words in any context.
        likelihoods = [self._model.score(start, word)[1] for word in range(len(self.words))]
        self._trie = library.Trie(self._columns.count, BLANK)
        for word, path in paths:
            self._trie.insert(list(path), word, likelihoods[word])
        self._trie.smear(library.SmearingMode.MAX)

    def _load(self, model: LanguageModel | None) -> LM:
        if model is None:
            return self._library.ZeroLM()
        unknown = [] if model.has_unknown else model.unknown(self.words)
        if unknown:
            raise DataError(
                f"the language model {model.path} knows neither {listed(unknown, _WORDS_SHOWN)} of the lexicon nor "
                f"{_UNKNOWN} for unknown words, so they would never be found; leave them out of the lexicon or "
                "estimate the model with them"
            )
        return load_kenlm(model.path, [*self.words, _UNKNOWN])

    def decoder(self, settings: SearchSettings) -> LexiconDecoder:
        """flashlight's decoder with these settings."""
        library = self._library
        options = library.LexiconDecoderOptions(
            beam_size=settings.beam_size,
            # Copies are as likely as what they are copies of, and must not take its place.
            beam_size_token=settings.token_beam + self._columns.copies,
            beam_threshold=settings.threshold,
            lm_weight=settings.lm_scale,
            word_score=settings.word_score,
            unk_score=-math.inf,
            sil_score=0.0,
            log_add=settings.log_add,
            criterion_type=library.CriterionType.CTC,
        )
        unknown = len(self.words)
        return library.LexiconDecoder(
            options, self._trie, self._model, self._columns.silence, BLANK, unknown, [], False
        )

    def best(self, decoder: LexiconDecoder, scores: Emissions) -> tuple[int, ...]:
        """Positions of the words of the best hypothesis for scores ``[frames, labels]``.

        Of equally good hypotheses, which words of the same spelling can be, the one whose words come first in the
        lexicon is taken; the decoder would let memory addresses decide.
        """
        if len(scores) == 0:
            return ()
        columns = self._columns.filled(scores)
        results = decoder.decode(columns.ctypes.data, *columns.shape)
        if not results:
            return ()
        best = results[0].score
        ties = itertools.takewhile(lambda result: result.score >= best - _TIE * abs(best), results)
        return min(tuple(word for word in result.words if word >= 0) for result in ties)


def _paths(entries: Sequence[tuple[int, Numbers]], columns: _Columns) -> Iterator[tuple[int, Numbers]]:
    """Every word with the columns that lead to it, from its spellings in labels."""
    beginnings = {spelling[:end] for _, spelling in entries for end in range(1, len(spelling) + 1)}
    words_of: dict[Numbers, list[int]] = defaultdict(list)
    for word, spelling in entries:
        last = spelling[-1]
        path = spelling
        if spelling[-2:] == (last, last):
            path = (*spelling[:-1], columns.copy_of(BLANK, 1), last)
        words_of[path].append(word)
        if (*spelling, last) not in beginnings:
            words_of[(*path, last)].append(word)
    for path, words in words_of.items():
        for rank, word in enumerate(words):
            yield word, (*path[:-1], columns.copy_of(path[-1], rank // _WORDS_OF_A_NODE))


class _Columns:
    """Columns of the decoder's scores: the labels, a silence that cannot occur, and copies of labels."""

    def __init__(self, labels: int) -> None:
        self.silence = labels
        self._numbers: dict[tuple[int, int], int] = {}

    @property
    def copies(self) -> int:
        """How many there are."""
        return len(self._numbers)

    @property
    def count(self) -> int:
        """Of all columns."""
        return self.silence + 1 + self.copies

    def copy_of(self, label: int, copy: int) -> int:
        """The column of a label, or of a copy of it from 1 on."""
        if copy == 0:
            return label
        return self._numbers.setdefault((label, copy), self.silence + 1 + self.copies)

    def filled(self, scores: Emissions) -> Emissions:
        """Scores ``[frames, labels]`` as ``[frames, columns]``."""
        columns = np.full((len(scores), self.count), _IMPOSSIBLE, dtype=np.float32)
        columns[:, : self.silence] = np.maximum(scores, _IMPOSSIBLE)
        columns[:, self.silence + 1 :] = columns[:, [label for label, _ in self._numbers]]
        return columns
