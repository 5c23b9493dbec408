"""How well a language model foresees a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from memrix.asr.search.decoder_library import load_kenlm
from memrix.asr.search.language_model import LanguageModel
from memrix.errors import DataError


@dataclass(frozen=True)
class Perplexity:
    """What a language model makes of a text; ends of sentences count as words that it foresees.

    Attributes:
        sentences: of the text.
        words: of the text, unknown ones among them.
        unknown: how often each word occurs that the language model does not know, most often first.
        known_log10: logarithm to the base of 10 of the probability of known words and ends of sentences.
        unknown_log10: the same of unknown words.
    """

    sentences: int
    words: int
    unknown: Counter[str]
    known_log10: float
    unknown_log10: float

    @property
    def out_of_vocabulary(self) -> float:
        """Share of words that the language model does not know; 0.02 is 2 %."""
        return self.unknown.total() / self.words

    @property
    def known(self) -> float:
        """Perplexity without the unknown words, which is what most publications give."""
        return float(10.0 ** (-self.known_log10 / (self.sentences + self.words - self.unknown.total())))

    @property
    def all(self) -> float:
        """Perplexity with the unknown words, each at the probability of ``<unk>``."""
        return float(10.0 ** (-(self.known_log10 + self.unknown_log10) / (self.sentences + self.words)))


def perplexity(model: LanguageModel, texts: Iterable[str]) -> Perplexity:
    """Perplexity and unknown words of sentences, each scored on its own from ``<s>`` to ``</s>``.

    Texts without words are left out.

    Raises:
        DataError: no words, or a binary file of KenLM, which does not tell its words.
        AssetError: flashlight-text, which has KenLM in it, is not installed.
    """
    if model.words is None:
        raise DataError(
            f"{model.path} is a binary file, which does not tell its words; give the ARPA file it is from"
        )
    sentences = [words for words in (text.split() for text in texts) if words]
    if not sentences:
        raise DataError("a perplexity needs text, got no words; give at least one sentence")
    numbers = {word: i for i, word in enumerate(dict.fromkeys(word for words in sentences for word in words))}
    kenlm = load_kenlm(model.path, list(numbers))
    unknown: Counter[str] = Counter()
    known_log10 = unknown_log10 = 0.0
    for words in sentences:
        state = kenlm.start(False)
        for word in words:
            state, log10 = kenlm.score(state, numbers[word])
            if word in model.words:
                known_log10 += log10
            else:
                unknown_log10 += log10
                unknown[word] += 1
        known_log10 += kenlm.finish(state)[1]
    counted = Counter(dict(unknown.most_common()))
    return Perplexity(len(sentences), sum(map(len, sentences)), counted, known_log10, unknown_log10)
