"""A module whose names are imported by their first use, from one list of imports that type checkers read too."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_OF_EVERY_MODULE = ("__all__", "__doc__", "__file__", "__name__", "__path__", "__spec__")


def lazy_names(
    module: str, file: str, **computed: Callable[[], Any]
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """A module's ``__all__``, its ``__getattr__``, which imports a name when it is first used, and its ``__dir__``.

    The names are those that the module imports under ``if TYPE_CHECKING:``, which nothing executes. Its own text is
    read for them, so that there is no second list to be kept equal.

    Args:
        module: ``__name__`` of the module.
        file: ``__file__`` of the module.
        **computed: further names, with functions that give their values.
    """
    homes = _imported_for_type_checkers(Path(file).read_text(encoding="utf-8"))

    def get(name: str) -> Any:  # noqa: ANN401
        if name in computed:
            value = computed[name]()
        elif name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}", name=name, obj=sys.modules[module])
        elif homes[name] == module:
            value = importlib.import_module(f"{module}.{name}")
        else:
            value = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[module], name, value)
        return value

    names = sorted([*homes, *computed])
    return names, get, lambda: [*names, *_OF_EVERY_MODULE]


def installed_version(distribution: str) -> str:
    """The version of a distribution."""
    from importlib.metadata import PackageNotFoundError, version  # 30 ms, which importing memrix does not need

    try:
        return version(distribution)
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"


def _imported_for_type_checkers(text: str) -> dict[str, str]:
    """The module that each name is imported from under ``if TYPE_CHECKING:``."""
    blocks = (node for node in ast.parse(text).body if isinstance(node, ast.If) and _is_for_type_checkers(node.test))
    imports = (node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom))
    return {alias.name: node.module for node in imports if node.module for alias in node.names}


def _is_for_type_checkers(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
