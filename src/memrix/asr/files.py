"""What is written, hashes of files, and the folder in which downloads are kept."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import platformdirs

from memrix.asr.outside import explained
from memrix.errors import AssetError, DataError
from memrix.toolkit import write_whole as write_whole

CACHE_VARIABLE = "MEMRIX_CACHE"


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
