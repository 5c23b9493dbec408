"""Where functions, classes and modules come from: installed libraries, or files of the user's own."""

from __future__ import annotations

import builtins
import dis
import functools
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any

from memrix._support.lazy import installed_version

_OWN = ("__main__", "__mp_main__")


def is_library(value: Any) -> bool:  # noqa: ANN401
    """Whether a function, class or module is part of Python, memrix or an installed library."""
    name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    return isinstance(name, str) and _is_library_module(name)


def library_name(value: Any) -> str:  # noqa: ANN401
    """The full name of a function, class or module, and the version of its library."""
    if isinstance(value, types.ModuleType):
        module, name = value.__name__, ""
    else:
        module, name = getattr(value, "__module__", None) or "", getattr(value, "__qualname__", "")
    return f"{module}:{name or getattr(value, '__name__', '')}@{_version(module.partition('.')[0])}"


def globals_read(code: types.CodeType) -> frozenset[str]:
    """Names of the globals that a function reads, also in functions that are defined inside of it."""
    own = {str(each.argval) for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return frozenset(own).union(*map(globals_read, inner))


def builtins_of(function: types.FunctionType) -> dict[str, Any]:
    """What a function finds where it finds no global."""
    found = function.__globals__.get("__builtins__", builtins)
    return dict(vars(found)) if isinstance(found, types.ModuleType) else dict(found)


def file_texts(module: types.ModuleType) -> dict[str, bytes | None]:
    """Texts of a module of the user's own and of all that it refers to; None: of a module without a file."""
    found: dict[str, types.ModuleType] = {}
    waiting = [module]
    while waiting:
        each = waiting.pop()
        if each.__name__ in found:
            continue
        found[each.__name__] = each
        for value in vars(each).values():
            name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
            other = sys.modules.get(name) if isinstance(name, str) else None
            if other is not None and not _is_library_module(other.__name__):
                waiting.append(other)
    return {name: _text(each) for name, each in sorted(found.items())}


@functools.cache
def _is_library_module(name: str) -> bool:
    root = name.partition(".")[0]
    if root in _OWN:
        return False
    if root == "memrix" or root in sys.stdlib_module_names:
        return True
    module = sys.modules.get(name) or sys.modules.get(root)
    file = getattr(module, "__file__", None)
    if file is None:  # built in, or a module that a notebook made
        return getattr(module, "__path__", None) is not None
    return any(Path(file).is_relative_to(folder) for folder in _library_folders())


@functools.cache
def _library_folders() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    return tuple(Path(paths[name]) for name in ("purelib", "platlib", "stdlib", "platstdlib"))


@functools.cache
def _version(root: str) -> str:
    if root in sys.stdlib_module_names or not root:
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    if root == "memrix":
        return installed_version("memrix")
    # The build, such as +cpu, is another on each machine.
    return str(getattr(sys.modules.get(root), "__version__", "")).partition("+")[0]


def _text(module: types.ModuleType) -> bytes | None:
    try:
        return Path(getattr(module, "__file__", None) or "").read_bytes()
    except OSError:
        return None
