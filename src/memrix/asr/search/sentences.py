"""Texts that language models are made from: files of UTF-8 with one sentence a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from memrix.asr.corpus import listing
from memrix.errors import DataError
from memrix.toolkit import ENCODING, file_path


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
        try:
            with path.open(encoding=ENCODING) as lines:
                yield from lines
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is not readable as UTF-8 text ({error}); save it as UTF-8") from error
