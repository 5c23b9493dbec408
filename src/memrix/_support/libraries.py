"""Libraries that nothing needs but what asks for them."""

from __future__ import annotations

import importlib
from typing import Any

from memrix.errors import MemrixError


def library(name: str, use: str, remedy: str) -> Any:  # noqa: ANN401 - a module
    """A module of a library that may not be installed.

    Args:
        name: of the module, such as ``pyarrow.parquet``.
        use: what takes it, such as ``"Parquet takes"``.
        remedy: how to install it, or what to do in its place.

    Raises:
        MemrixError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        needed = name.partition(".")[0]
        raise MemrixError(f"{use} {needed}, which is not installed here ({error}): {remedy}") from error
