"""How well a language model foresees a text, and the files of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from memrix.asr.corpus import listing
from memrix.asr.outside import explained
from memrix.asr.search.decoder_library import load_kenlm
from memrix.asr.search.language_model import LanguageModel
from memrix.errors import DataError
from memrix.toolkit import ENCODING, file_path


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


def check_texts(paths: Sequence[Path]) -> None:
    """Make sure that files are there to be read.

    Raises:
        DataError: no files, or files that cannot be opened; all are listed.
    """
    if not paths:
        raise DataError("no text is given; name at least one file with one sentence a line")
    problems: list[str] = []
    for path in paths:
        try:
            with file_path(path, DataError, "the path of a text").open("rb"):
                pass
        except DataError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{path}: {error.strerror or error}")
    if problems:
        raise DataError(f"texts cannot be read; check their paths:{listing(problems)}")


def sentences_of(paths: Sequence[Path]) -> Iterator[str]:
    """The lines of text files, one after the other.

    Raises:
        DataError: a file that cannot be read, or is not UTF-8.
    """
    for path in paths:
        unreadable = (OSError, UnicodeDecodeError)
        with explained(DataError, f"{path} is not readable as UTF-8 text", "save it as UTF-8", unreadable):
            yield from path.open(encoding=ENCODING)
