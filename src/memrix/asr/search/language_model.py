"""N-gram language models of words: ARPA files, plain or gzipped, and binary files of KenLM."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from memrix.asr.corpus import listing
from memrix.asr.files import sha256_of
from memrix.asr.outside import explained, unpacked_lines
from memrix.errors import DataError
from memrix.toolkit import file_path

SENTENCE_MARKS = ("<s>", "</s>")
UNKNOWN = ("<unk>", "<UNK>")

_BLANKS = " \t\r\n"
"""Those of KenLM. Others, such as the no-break space, are parts of words."""

_COUNT = re.compile(r"ngram\s+(?P<order>\d{1,3})\s*=\s*(?P<count>\d{1,18})")
_LARGEST = 1000.0
"""Logarithms of probabilities and backoffs lie within: -99 stands for nothing at all."""
_PROBLEMS_SHOWN = 20

MIN_ORDER, MAX_ORDER = 2, 6
"""What KenLM reads as it is built into flashlight-text."""

_KENLM = b"mmap lm http://kheafield.com/code"


def arpa_fields(line: str) -> list[str]:
    """What stands in a line of n-grams: a logarithm, words, and maybe a backoff."""
    return [field for field in line.replace("\t", " ").split(" ") if field]


@contextmanager
def arpa_lines(path: Path) -> Iterator[Iterator[str]]:
    """The lines of an ARPA file, gzipped or not, without blanks around them.

    Raises:
        DataError: missing, unreadable, cut off, or not UTF-8.
    """
    with unpacked_lines(path, "it may be damaged: estimate or copy it again") as lines:
        yield (line.strip(_BLANKS) for line in lines)


def arpa_problem(path: Path) -> str | None:
    """What keeps the n-grams of an ARPA file from being loaded, or None.

    Whoever loads them takes memory for as many as the header says, and takes any number for a probability.

    Raises:
        DataError: it cannot be read, or its header cannot be right.
    """
    with arpa_lines(path) as lines:
        counts = _read_counts(path, lines)
        orders = range(1, len(counts) + 1)
        return next((problem for order in orders for problem in _problems(lines, order, counts, set())), None)


def _problems(lines: Iterator[str], order: int, counts: Sequence[int], words: set[str]) -> Iterator[str]:
    """What is wrong with the n-grams of an order, whose heading was read; the next heading is read, too.

    Unigrams are added to ``words``.
    """
    found, stated = 0, counts[order - 1]
    kind = "unigram" if order == 1 else f"{order}-gram"
    heading = "\\end\\" if order == len(counts) else f"\\{order + 1}-grams:"
    for line in lines:
        if line.startswith("\\"):
            if found != stated:
                yield f"{found} {kind}s where the header says {stated}"
            if line != heading:
                yield f"{line[:40]!r} where {heading} is expected"
            return
        fields = arpa_fields(line)
        if not fields:
            continue
        found += 1
        numbers = (fields[0], *fields[order + 1 :])
        if len(fields) < order + 1 or len(numbers) > 2 or not all(map(_is_number, numbers)):
            yield f"{line[:60]!r} is no {kind}: a logarithm, {order} words and maybe a backoff are expected"
        elif float(fields[0]) > 0:
            yield f"{line[:60]!r} has a probability above 1"
        elif order == 1 and fields[1] in words:
            yield f"the unigram {fields[1]} occurs twice"
        elif order == 1:
            words.add(fields[1])
    yield f"End of file: it ends within the {kind}s, {found} where the header says {stated}"


def _read_counts(path: Path, lines: Iterator[str]) -> tuple[int, ...]:
    first = next((line for line in lines if line), "")
    if first != "\\data\\":
        raise DataError(
            f"{path} is no language model that is known: it begins with {first[:40]!r}; expected ARPA (a text that "
            "begins with \\data\\), ARPA with gzip, or a binary file of KenLM"
        )
    counts: dict[int, int] = {}
    for line in lines:
        if line == "\\1-grams:":
            break
        count = _COUNT.fullmatch(line)
        if count is not None:
            counts[int(count["order"])] = int(count["count"])
    if list(counts) != list(range(1, len(counts) + 1)) or not counts:
        raise DataError(
            f"{path} has no sound ARPA header: lines such as `ngram 1=3735` for each order and then `\\1-grams:` are "
            f"expected, got counts for the orders {list(counts)}; estimate it again"
        )
    return tuple(counts.values())


def _is_number(field: str) -> bool:
    try:
        return -_LARGEST <= float(field) <= _LARGEST
    except ValueError:
        return False


def is_binary(path: Path) -> bool:
    """Whether a file is a binary one of KenLM, as is seen from how it begins.

    Raises:
        DataError: it cannot be read.
    """
    with (
        explained(DataError, f"no language model can be read from {path}", "check the path"),
        path.open("rb") as file,
    ):
        return file.read(len(_KENLM)) == _KENLM


@dataclass(frozen=True)
class LanguageModel:
    """A file that KenLM reads, and what is known of it.

    Attributes:
        path: where it is.
        counts: n-grams of each order, from 1 on; None for a binary file.
        words: its vocabulary without marks; None for a binary file, which keeps only hashes.
        has_unknown: whether words that it does not know have a probability; None for a binary file.
    """

    path: Path
    counts: tuple[int, ...] | None
    words: frozenset[str] | None
    has_unknown: bool | None

    @property
    def order(self) -> int | None:
        """Words of its longest n-grams; None for a binary file."""
        return None if self.counts is None else len(self.counts)

    @cached_property
    def sha256(self) -> str:
        """Hash of the file."""
        return sha256_of(self.path)

    def unknown(self, words: Iterable[str]) -> list[str]:
        """Which of some words it does not contain, in order; unknown for a binary file."""
        known = self.words
        return [] if known is None else [word for word in words if word not in known]


def open_language_model(path: Path) -> LanguageModel:
    """The language model in a file; what the file is, is seen from how it begins.

    Of an ARPA file, counts and unigrams are read. The longer n-grams are checked when a search loads them.

    Raises:
        DataError: no such file, no language model, cut off, unigrams that cannot be right (all are listed), or an
            order out of range.
    """
    if is_binary(file_path(path, DataError, "the path of a language model")):
        return LanguageModel(path, None, None, None)
    with arpa_lines(path) as lines:
        counts = _read_counts(path, lines)
        unigrams: set[str] = set()
        problems = list(_problems(lines, 1, counts, unigrams))
    problems += [f"the mark {mark} is missing" for mark in SENTENCE_MARKS if mark not in unigrams]
    if problems:
        raise DataError(
            f"{path} is not a sound language model; estimate it again:{listing(problems, _PROBLEMS_SHOWN)}"
        )
    if not MIN_ORDER <= len(counts) <= MAX_ORDER:
        raise DataError(
            f"{path} has n-grams of up to {len(counts)} words; KenLM takes {MIN_ORDER} to {MAX_ORDER}: estimate it "
            "with another order"
        )
    words = frozenset(unigrams.difference(SENTENCE_MARKS, UNKNOWN))
    return LanguageModel(path, counts, words, has_unknown=not unigrams.isdisjoint(UNKNOWN))
