"""A file is complete or absent."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from memrix._support.documents import file_path
from memrix.errors import DataError


@contextmanager
def whole_file(path: str | Path, what: str) -> Iterator[Path]:
    """A path to write to; what lies there becomes the file once the block ends well.

    Args:
        path: of the file; an existing one is replaced.
        what: the file is, for messages, such as ``a table``.

    Raises:
        DataError: the path is none, or cannot be written.
    """
    target = file_path(path, DataError, f"the path of {what}")
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        partial.touch()  # before anything is computed
        yield partial
        partial.replace(target)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be written ({error.strerror or error}); name another place") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
