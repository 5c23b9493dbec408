"""What is written, hashes of files, and the folder in which downloads are kept."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

import platformdirs

from memrix.asr.outside import explained
from memrix.errors import AssetError, DataError, MemrixError
from memrix.toolkit import file_path, whole_file

CACHE_VARIABLE = "MEMRIX_CACHE"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically: it is complete or absent.

    Raises:
        DataError: the disk is full, the place cannot be written to, or it is no path.
    """
    file_path(path, DataError, "the path of a file")
    with writing(f"{path} cannot be written", "name another place"), whole_file(path) as stream:
        stream.write(content)


def writing(
    what: str, fix: str, space: str = "free some space and run again", kind: type[MemrixError] = DataError
) -> AbstractContextManager[None]:
    """A block that writes, and does nothing else that could go wrong.

    Args:
        what: cannot be done where it fails; the reason follows.
        fix: what to do.
        space: what to do where the disk is full.
        kind: of the error.
    """
    return explained(kind, what, fix, (OSError, RuntimeError), full=space)


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
