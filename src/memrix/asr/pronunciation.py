"""Pronunciation dictionaries: words to phonemes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from memrix.asr.corpora.prepared import PreparedCorpus, open_corpus
from memrix.asr.outside import explained, read_each, text_problem
from memrix.asr.packages import fetch_from_wheel
from memrix.errors import DataError
from memrix.toolkit import ENCODING, file_path, listing

Pronunciations = Mapping[str, tuple[tuple[str, ...], ...]]

DERIVED = "derived.dict"
"""In the folder of a corpus: what `memrix corpus pronounce` derived from spelling."""

_CMU = ("pocketsphinx==5.1.1", "pocketsphinx/model/en-us/cmudict-en-us.dict")
_CMU_SHA256 = "20b5c293e1f311fb375fe067e500ec5636f4fc7af5594967263696def9b23bfe"
_ALTERNATIVE = re.compile(r"\(\d+\)$")
_STRESS = re.compile(r"\d$")
_COMMENTS = (";;;", "#")


@cache
def cmu_dictionary() -> Pronunciations:
    """The CMU Pronouncing Dictionary (BSD license), as the ``pocketsphinx`` wheel ships it; fetched once.

    Raises:
        AssetError: it cannot be fetched.
    """
    requirement, member = _CMU
    return read_dictionary(fetch_from_wheel(requirement, member, _CMU_SHA256))


def own_dictionary(name: str) -> Pronunciations:
    """Pronunciations that memrix has for the words of a corpus; empty where it has none."""
    path = files("memrix.asr") / "pronunciations" / f"{name}.dict"
    return parse_dictionary(path.read_text(encoding="utf-8").splitlines(), name) if path.is_file() else {}


def read_dictionary(path: str | Path) -> Pronunciations:
    """A dictionary in the format of CMU's: ``hello HH AH L OW`` a line, alternatives as ``hello(2) ...``.

    Words become lower case, stress digits are dropped.

    Raises:
        DataError: the file is missing, empty, or has lines that cannot be used; all are listed.
    """
    with explained(DataError, f"the dictionary {path} cannot be read", "check the path"):
        place = file_path(path, DataError, "the path of a dictionary")
        if place.exists() and not place.is_file():
            raise DataError(f"the dictionary {path} is no file, but a folder, a pipe or a device; give a file")
        lines = place.read_text(encoding=ENCODING, errors="replace").splitlines()
    return parse_dictionary(lines, str(path))


def parse_dictionary(lines: Iterable[str], source: str) -> Pronunciations:
    """The dictionary in these lines; see ``read_dictionary``."""
    found: dict[str, list[tuple[str, ...]]] = {}

    def read(line: str, number: int) -> None:
        problem = text_problem(line)
        if problem is not None:
            raise DataError(problem)
        word, *phonemes = line.split()
        if not phonemes:
            raise DataError(f"{word!r} has no phonemes")
        way = tuple(_STRESS.sub("", phoneme.upper()) for phoneme in phonemes)
        ways = found.setdefault(_ALTERNATIVE.sub("", word.lower()), [])
        if way not in ways:
            ways.append(way)

    _, problems = read_each(("" if line.startswith(_COMMENTS) else line for line in lines), read)
    if problems:
        raise DataError(f"the dictionary {source} has lines that cannot be used:{listing(problems)}")
    if not found:
        raise DataError(f"the dictionary {source} is empty; expected lines such as `hello HH AH L OW`")
    return {word: tuple(ways) for word, ways in found.items()}


def merged(*dictionaries: Pronunciations) -> Pronunciations:
    """All pronunciations together, those of earlier dictionaries first."""
    words: dict[str, tuple[tuple[str, ...], ...]] = {}
    for dictionary in dictionaries:
        for word, ways in dictionary.items():
            words[word] = tuple(dict.fromkeys((*words.get(word, ()), *ways)))
    return words


def missing_words(texts: Iterable[str], pronunciations: Pronunciations) -> list[str]:
    """Words of texts that have no pronunciation, in alphabetical order."""
    return sorted({word for text in texts for word in text.split() if word not in pronunciations})


def corpus_pronunciations(
    corpus: str | None, dictionaries: Iterable[str | Path], texts: Iterable[str]
) -> Pronunciations:
    """Pronunciations for the words of a corpus: the user's own first, then the corpus's, memrix's for it, and CMU's.

    CMU's dictionary is fetched for words that none of the others has. Words of texts alone are kept, unless a text is
    missing some, which then is for the caller to find out.

    Args:
        corpus: name or folder of a prepared corpus; None for texts of no such corpus.
        dictionaries: files of the user's own.
        texts: of the corpus.

    Raises:
        DataError: there is no such corpus, or a dictionary cannot be used.
        AssetError: the CMU dictionary cannot be fetched.
    """
    own = {} if corpus is None else _dictionaries_of(open_corpus(corpus))
    known = merged(*map(read_dictionary, dictionaries), own)
    words = sorted({word for text in texts for word in text.split()})
    if missing_words(words, known):
        # It fills gaps alone: which other words the texts have must not change the pronunciations of one.
        known = {**cmu_dictionary(), **known}
    return {word: known[word] for word in words if word in known}


def pronounced_words(corpus: PreparedCorpus) -> Pronunciations:
    """Words that have a pronunciation in one of the dictionaries that are used for a corpus, with it.

    Raises:
        DataError: the dictionary of the corpus cannot be used.
        AssetError: the CMU dictionary cannot be fetched.
    """
    return {**cmu_dictionary(), **_dictionaries_of(corpus)}


def _dictionaries_of(corpus: PreparedCorpus) -> Pronunciations:
    """Dictionaries of the corpus, those that come with memrix, then what was derived."""
    path, derived = corpus.description.get("dictionary"), corpus.folder / DERIVED
    return merged(
        {} if path is None else read_dictionary(path),
        own_dictionary(corpus.name),
        read_dictionary(derived) if derived.is_file() else {},
    )
