"""The folder in which downloaded weights and recordings are kept."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs

from memrix.errors import AssetError

CACHE_VARIABLE = "MEMRIX_CACHE"


def cache_dir() -> Path:
    """Folder for downloads: ``$MEMRIX_CACHE``, or the user's cache folder of the platform.

    Raises:
        AssetError: the folder cannot be created or written to.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    folder = Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("memrix"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise AssetError(
            f"the cache folder {folder} cannot be written to ({error.strerror or error}); "
            f"set {CACHE_VARIABLE} to a folder that can"
        ) from error
    return folder
