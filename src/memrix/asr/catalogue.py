"""Corpora by name, and the user's own by path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from memrix.asr.asterisk import asterisk
from memrix.asr.corpus import Corpus
from memrix.asr.manifest import read_folder, read_manifest
from memrix.errors import DataError
from memrix.records import closest

_NAMED: dict[str, Callable[[], Corpus]] = {"asterisk": asterisk}


def load_corpus(name_or_path: str) -> Corpus:
    """A corpus by name (``asterisk``), or the user's own manifest (``.jsonl``) or folder.

    A name wins over a folder of the same name; write ``./asterisk`` for the folder.

    Raises:
        DataError: unknown name, no utterances, or lines and files that cannot be used (all are listed).
        AssetError: a named corpus that cannot be fetched.
    """
    if name_or_path in _NAMED:
        return _NAMED[name_or_path]()
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return read_folder(path)
    if path.is_file() and path.suffix == ".jsonl":
        return read_manifest(path)
    accepted = f"expected one of {', '.join(sorted(_NAMED))}, a .jsonl manifest or a folder"
    if path.exists():
        raise DataError(f"{name_or_path} is not a corpus; {accepted}")
    raise DataError(
        f"there is no corpus {name_or_path!r}{closest(name_or_path.lower(), _NAMED)}, "
        f"nor a file or folder of that name; {accepted}"
    )
