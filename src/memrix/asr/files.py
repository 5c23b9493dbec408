"""Files that are complete or absent, their hashes, and the folder in which downloads are kept."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import platformdirs

from memrix.asr.outside import explained, reason_of
from memrix.errors import AssetError, DataError, MemrixError
from memrix.toolkit import file_path

CACHE_VARIABLE = "MEMRIX_CACHE"


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which is there once the block ends well.

    Raises:
        OSError: it cannot be written; whoever knows what the file is for says how to fix it.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("wb") as stream:
            yield stream
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically: it is complete or absent.

    Raises:
        DataError: the disk is full, the place cannot be written to, or it is no path.
    """
    file_path(path, DataError, "the path of a file")
    with writing(f"{path} cannot be written", "name another place"), whole_file(path) as stream:
        stream.write(content)


@contextmanager
def writing(
    what: str, fix: str, space: str = "free some space and run again", kind: type[MemrixError] = DataError
) -> Iterator[None]:
    """A block that writes, and does nothing else that could go wrong.

    Args:
        what: cannot be done where it fails; the reason follows.
        fix: what to do.
        space: what to do where the disk is full.
        kind: of the error.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        raise kind(f"{what} ({reason_of(error)}); {space if full else fix}") from error


def make_folder(path: Path, purpose: str = "") -> None:
    """Make a folder unless it is there.

    Raises:
        DataError: it cannot be made; the message says for what ``purpose``.
    """
    with explained(DataError, " ".join(filter(None, (f"the folder {path} cannot be used", purpose))), "name another"):
        path.mkdir(parents=True, exist_ok=True)


def sha256_of(path: Path) -> str:
    """Hash of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cache_dir() -> Path:
    """Folder for downloads: ``$MEMRIX_CACHE``, or the user's cache folder of the platform.

    Raises:
        AssetError: the folder cannot be created or written to.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    folder = Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("memrix"))
    fix = f"set {CACHE_VARIABLE} to a folder that can"
    with explained(AssetError, f"the cache folder {folder} cannot be written to", fix):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    return folder
