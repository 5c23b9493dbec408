"""Where functions, classes and modules come from: installed libraries, or files of the user's own."""

from __future__ import annotations

import builtins
import dis
import functools
import importlib
import importlib.util
import sys
import sysconfig
import types
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
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


def modules_imported(function: types.FunctionType) -> dict[str, types.ModuleType | None]:
    """Modules of the user's own that a function imports when it is called, by name; None: not one of these."""
    package = function.__globals__.get("__package__") or ""
    found: dict[str, types.ModuleType | None] = {}
    for level, name, items in _imports(function.__code__):
        full = importlib.util.resolve_name("." * level + name, package) if level else name
        found[full] = _imported(full)
        for item in items:  # submodules; other items are in the module
            if isinstance(part := _imported(f"{full}.{item}"), types.ModuleType):
                found[f"{full}.{item}"] = part
    return dict(sorted(found.items()))


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


def _imports(code: types.CodeType) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Level, module and items of each import statement in a function and those inside of it."""
    before: list[Any] = [None, None]  # the two values that an import takes: its level, and its items
    for each in dis.get_instructions(code):
        if each.opname == "IMPORT_NAME":
            level, items = before
            yield level or 0, str(each.argval), tuple(items or ())
        if each.opname.startswith("LOAD_"):
            before = [before[1], each.argval]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _imports(constant)


def _imported(name: str) -> types.ModuleType | None:
    """A module of the user's own; a library is known by its name, which is part of the code that imports it."""
    try:
        return None if _is_library_module(name.partition(".")[0]) else importlib.import_module(name)
    except ImportError:
        return None


@functools.cache
def _is_library_module(name: str) -> bool:
    root = name.partition(".")[0]
    if root in _OWN:
        return False
    if root == "memrix" or root in sys.stdlib_module_names:
        return True
    return any(_all_of_libraries(_places(each)) for each in (root, name))


def _all_of_libraries(places: list[str]) -> bool:
    inside = [any(Path(place).is_relative_to(folder) for folder in _library_folders()) for place in places]
    return bool(inside) and all(inside)


def _places(name: str) -> list[str]:
    """The file of a module, or the folders of a package that has none; whether it is imported or not."""
    module = sys.modules.get(name)
    try:
        spec = importlib.util.find_spec(name) if module is None else getattr(module, "__spec__", None)
    except (ImportError, ValueError):
        spec = None
    file = getattr(module, "__file__", None) or (spec.origin if spec is not None and spec.has_location else None)
    if file is not None:
        return [file]
    return [str(folder) for folder in getattr(module or spec, "__path__", None) or _folders(spec)]


def _folders(spec: ModuleSpec | None) -> list[str]:
    return list(spec.submodule_search_locations or ()) if spec is not None else []


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
    file = getattr(module, "__file__", None)
    if file is None and getattr(module, "__path__", None) is not None:  # a folder with nothing but modules in it
        return b""
    try:
        return Path(file or "").read_bytes()
    except OSError:
        return None
