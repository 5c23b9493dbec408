"""What applications share with memrix: checked files, settings by former names, and messages that say what was given.

For packages that build on memrix as ``memrix.asr`` does. Every function that reads raises an error that names the
file, what is wrong with it, and how to fix it.

- Paths and texts: ``file_path``, ``is_folder``, ``is_file``, ``read_text``, ``parse_json``, ``parse_toml``,
  ``ENCODING``; ``whole_file`` and ``write_whole`` to write, ``save_chart``.
- Tensors and a description in one file: ``write_archive``, ``read_archive``, ``content_digest``, ``FileKind``.
- Messages: ``shown`` (a value in one short line), ``closest`` ("did you mean ...?"), ``listed`` (names, and how many
  more), ``listing`` (problems, a line for each), ``explained`` (a block whose errors of other libraries become one of
  memrix, with ``reason_of`` in it).
- Names that have changed: ``former_names`` of a module, ``former_module`` and ``former_modules`` for the places where
  modules were, ``formerly`` and ``with_former_names`` of a dataclass, ``warn_renamed`` of anything else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from memrix._support.charts import save_chart
from memrix._support.documents import (
    ENCODING,
    file_path,
    is_file,
    is_folder,
    parse_json,
    parse_toml,
    read_text,
    whole_file,
    write_whole,
)
from memrix._support.records import closest
from memrix._support.renamed import (
    former_module,
    former_modules,
    former_names,
    formerly,
    warn_renamed,
    with_former_names,
)
from memrix._support.tables import listed
from memrix._support.wording import explained, listing, reason_of, shown

if TYPE_CHECKING:
    from memrix._support.archive import FileKind, content_digest, read_archive, write_archive

__all__ = [
    "ENCODING",
    "FileKind",
    "closest",
    "content_digest",
    "explained",
    "file_path",
    "former_module",
    "former_modules",
    "former_names",
    "formerly",
    "is_file",
    "is_folder",
    "listed",
    "listing",
    "parse_json",
    "parse_toml",
    "read_archive",
    "read_text",
    "reason_of",
    "save_chart",
    "shown",
    "warn_renamed",
    "whole_file",
    "with_former_names",
    "write_archive",
    "write_whole",
]

_ARCHIVE = "memrix._support.archive"


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # Archives hold tensors: torch, which takes seconds to import, is paid for by whoever reads one.
    if name in __all__:
        return getattr(importlib.import_module(_ARCHIVE), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
