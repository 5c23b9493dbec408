"""Estimating an n-gram language model from text."""

from __future__ import annotations

import gzip
import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from memrix.asr.corpus import listing
from memrix.asr.outside import explained, text_problem
from memrix.asr.search.decoder_library import load_kenlm
from memrix.asr.search.language_model import (
    MAX_ORDER,
    MIN_ORDER,
    UNKNOWN,
    LanguageModel,
    arpa_fields,
    arpa_lines,
    open_language_model,
)
from memrix.asr.search.lexicon import RESERVED
from memrix.asr.search.ngram_tools import find_estimator
from memrix.errors import AssetError, DataError
from memrix.toolkit import file_path, whole_file

SUFFIXES = (".arpa", ".arpa.gz")


@dataclass(frozen=True)
class Estimate:
    """A language model, and what it was made from.

    Attributes:
        model: the language model.
        program: ``lmplz`` or ``tlm``.
        smoothing: how probability was kept for what was not seen.
        sentences: of the text.
        words: of the text.
    """

    model: LanguageModel
    program: str
    smoothing: str
    sentences: int
    words: int


def estimate(texts: Iterable[str], output: Path, order: int = 4) -> Estimate:
    """Estimate a language model of words as they are written in the texts, and keep it as an ARPA file.

    Words are separated by spaces and used unchanged: write them as in the lexicon. Texts without
    words are left out. Where KenLM's lmplz is not on the PATH, tlm of IRSTLM is fetched from Debian.

    Args:
        texts: one sentence each.
        output: a name that ends in ``.arpa`` or ``.arpa.gz``.
        order: longest n-grams.

    Raises:
        DataError: no words, reserved words, an order out of range, or another name.
        AssetError: no program to estimate with, or it fails.
    """
    check_estimation(output, order)
    with tempfile.TemporaryDirectory(prefix="memrix-lm-") as folder:
        sentences, arpa = Path(folder) / "sentences.txt", Path(folder) / "estimated.arpa"
        count, words = _write_sentences(texts, sentences)
        program = find_estimator()
        smoothing = program.run(sentences, order, arpa)
        if program.name == "tlm":
            arpa = _with_one_unknown_word(arpa, unseen_words(words))
        _check(open_language_model(arpa), words)
        _store(arpa, output)
    model = open_language_model(output)
    return Estimate(model, program.name, smoothing, count, words.total())


def check_estimation(output: Path, order: int) -> None:
    """Make sure that an estimation can be asked for.

    Raises:
        DataError: an order out of range, or a name that is not of an ARPA file.
    """
    file_path(output, DataError, "the path of a language model")
    if not MIN_ORDER <= order <= MAX_ORDER:
        raise DataError(f"the order of a language model is {MIN_ORDER} to {MAX_ORDER}, got {order}; 4 is usual")
    if not output.name.endswith(SUFFIXES):
        raise DataError(f"{output} must end in {' or '.join(SUFFIXES)}; name it {output.name}.arpa.gz")


def unseen_words(counts: Counter[str]) -> float:
    """How many words the language of the text has that are not in it, at least 1.

    The lower bound from words that occur once and twice (Chao, Scandinavian Journal of Statistics 11, 1984).
    """
    occurring = Counter(counts.values())
    once, twice = occurring[1], occurring[2]
    return max(1.0, once**2 / (2 * twice) if twice else once * (once - 1) / 2)


def _write_sentences(texts: Iterable[str], file: Path) -> tuple[int, Counter[str]]:
    counts: Counter[str] = Counter()
    sentences = 0
    with file.open("w", encoding="utf-8") as stream:
        for text in texts:
            problem = text_problem(text)
            if problem is not None:
                raise DataError(f"the text {problem}, which no word can; remove it")
            words = text.split()
            if words:
                stream.write(" ".join(words) + "\n")
                counts.update(words)
                sentences += 1
    if not counts:
        raise DataError("a language model needs text, got no words; give at least some sentences")
    reserved = [f"{word} ({counts[word]} times)" for word in sorted(RESERVED) if word in counts]
    if reserved:
        raise DataError(f"the text has words that are reserved in language models; remove them:{listing(reserved)}")
    return sentences, counts


def _with_one_unknown_word(arpa: Path, unseen: float) -> Path:
    """tlm gives ``<unk>`` the probability of all unseen words together; a search asks for that of one word."""
    shared = arpa.with_name("shared.arpa")
    with arpa_lines(arpa) as lines, shared.open("w", encoding="utf-8") as target:
        for line in lines:
            target.write(f"{line}\n")
            if line == "\\1-grams:":
                break
        for line in lines:
            log10, *rest = arpa_fields(line) or [""]
            if rest and rest[0] in UNKNOWN:
                target.write("\t".join([f"{float(log10) - math.log10(unseen):.6g}", *rest]) + "\n")
                break
            target.write(f"{line}\n")
        target.writelines(f"{line}\n" for line in lines)
    return shared


def _check(model: LanguageModel, counts: Counter[str]) -> None:
    known = model.words or frozenset()
    if known != counts.keys() or not model.has_unknown:
        lost = sorted(counts.keys() - known)[:5]
        raise AssetError(
            f"the estimated language model has {len(known)} words where the text has {len(counts)} (not in it: "
            f"{', '.join(lost) or 'the unknown word'}); report this with the text"
        )
    load_kenlm(model.path, ())


def _store(arpa: Path, output: Path) -> None:
    """Copy to ``output``, which is whole or not there; equal models give equal files."""
    with explained(DataError, f"{output} cannot be written", "name another place"):
        output.parent.mkdir(parents=True, exist_ok=True)
        with arpa.open("rb") as source, whole_file(output) as target:
            if output.suffix == ".gz":
                with gzip.GzipFile(filename="", fileobj=target, mode="wb", mtime=0) as zipped:
                    shutil.copyfileobj(source, zipped)
            else:
                shutil.copyfileobj(source, target)
