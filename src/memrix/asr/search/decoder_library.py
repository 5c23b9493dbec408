"""flashlight-text, the library that searches, with KenLM in it; imported only when a search needs it."""

from __future__ import annotations

import codecs
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from memrix.asr.outside import explained, unpacked
from memrix.asr.search.language_model import arpa_problem, is_binary
from memrix.errors import AssetError, DataError
from memrix.toolkit import file_path

if TYPE_CHECKING:
    from flashlight.lib.text.decoder.kenlm import KenLM

_MISSING = "needs the library flashlight-text, which is not installed here"
_INSTALL = (
    "pip install 'memrix[asr]': its wheels are for Python 3.11 and 3.12. Greedy search (memrix.asr.search.greedy) "
    "works without it"
)


def decoder_library() -> ModuleType:
    """The decoders of flashlight-text.

    Raises:
        AssetError: the library is not installed.
    """
    with explained(AssetError, "a beam search " + _MISSING, _INSTALL, ImportError):
        import flashlight.lib.text.decoder as library
    module: ModuleType = library
    return module


def load_kenlm(path: Path, words: Sequence[str]) -> KenLM:
    """A language model of KenLM; ``words``, all different, are numbered from 0 as they come.

    Its scores are logarithms to the base of 10.

    Raises:
        AssetError: the library is not installed.
        DataError: KenLM refuses the file.
    """
    with explained(AssetError, "a language model " + _MISSING, _INSTALL, ImportError):
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary
    problem = None if is_binary(file_path(path, DataError, "the path of a language model")) else arpa_problem(path)
    if problem is not None:
        raise DataError(f"KenLM cannot use {path} ({problem}); estimate or copy it again")
    dictionary = Dictionary()
    for word in words:
        dictionary.add_entry(word)
    try:
        with _without_byte_order_mark(path) as plain, _silence():
            return KenLM(str(plain), dictionary)
    except RuntimeError as error:
        raise DataError(f"KenLM cannot use {path} ({_reason(error)}); estimate or copy it again") from error


@contextmanager
def _without_byte_order_mark(path: Path) -> Iterator[Path]:
    """A file that KenLM can read, which takes a byte-order mark for text: the same, or a copy for the time being."""
    with unpacked(path) as content, tempfile.TemporaryDirectory(prefix="memrix-lm-") as folder:
        if content.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8:
            path = Path(folder) / "plain.arpa"
            with path.open("wb") as target:
                shutil.copyfileobj(content, target)
        yield path


@contextmanager
def _silence() -> Iterator[None]:
    """KenLM draws a progress bar on stderr, and flashlight gives no means to switch it off."""
    sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:  # a process without stderr
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _reason(error: RuntimeError) -> str:
    """The last line of KenLM's message; those before name places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "threw" not in line), "damaged")
