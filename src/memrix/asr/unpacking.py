"""Lines of text files, gzipped or not, that cannot fill the memory: what unpacks beyond measure is refused."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from memrix.errors import DataError

GZIP = b"\x1f\x8b"

LONGEST_LINE = 1 << 20  # bytes; an utterance of a manifest has some hundreds
LARGEST_RATIO = 200
"""Manifests and language models shrink to a tenth or a thirtieth; deflate itself ends at a thousandth."""
ALWAYS_FINE = 64 << 20  # bytes that may be unpacked at any ratio


@contextmanager
def unpacked_lines(path: Path, remedy: str) -> Iterator[Iterator[str]]:
    """The lines of a UTF-8 file, with their ends and without a byte-order mark; gzip is seen from how it begins.

    Raises:
        DataError: missing, unreadable, cut off, not UTF-8, with a line beyond measure, or unpacking to far more than
            text does; ``remedy`` says how to fix a damaged file.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(len(GZIP)) == GZIP
            file.seek(0)
            size = path.stat().st_size
            unpacked = cast(io.RawIOBase, gzip.GzipFile(fileobj=file) if zipped else file)
            with io.BufferedReader(unpacked, 1 << 20) as stream:
                yield _decoded(path, stream, max(ALWAYS_FINE, LARGEST_RATIO * size))
    except FileNotFoundError as error:
        raise DataError(f"no file at {path}; check the path") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); {remedy}") from error


def _decoded(path: Path, stream: io.BufferedReader[Any], most: int) -> Iterator[str]:
    total = 0
    while line := stream.readline(LONGEST_LINE + 1):
        if not total:
            line = line.removeprefix(codecs.BOM_UTF8)
        total += len(line)
        if len(line) > LONGEST_LINE:
            raise DataError(f"{path} has a line of more than {LONGEST_LINE} bytes, which no such file has")
        if total > most:
            raise DataError(
                f"{path} unpacks to more than {most} bytes, {LARGEST_RATIO} times its size and more, which no such "
                "file does; unpack it yourself if it is sound"
            )
        yield line.decode()
