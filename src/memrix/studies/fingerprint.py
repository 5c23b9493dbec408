"""SHA-256 of anything that a study is made from: weights, data, settings, and functions with all that they refer to.

Equal fingerprints mean equal content. What is hashed:

- tensors and arrays: type, shape and every byte, on whatever device they are;
- functions: their compiled code, defaults, the values of closures, and of the globals that the code reads, at any
  depth; of functions and classes of installed libraries the name and the version of the library;
- modules that a function of yours refers to or imports: the text of their file and of your files they import;
- other objects: class and state, as pickling sees them. Of an ``nn.Module`` neither its mode nor numbers of hooks.

What has no such content, such as an open file or a generator, is an error: two that differ could not be told apart.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import types
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from memrix._support.validation import shown
from memrix.errors import SettingsError
from memrix.studies.source import builtins_of, file_texts, globals_read, is_library, library_name, modules_imported

_PLAIN = (bool, int, float, complex, str, bytes, bytearray, range, slice, type(None), type(...), type(NotImplemented))
_TORCH_PLAIN = (torch.dtype, torch.device, torch.layout, torch.memory_format)
_BUILT_IN = (types.BuiltinFunctionType, types.WrapperDescriptorType, types.MethodDescriptorType, np.ufunc)
_WRAPPERS = (staticmethod, classmethod)
_OF_EVERY_CLASS = frozenset(
    {
        *("__abstractmethods__", "__annotate__", "__annotations__", "__dict__", "__doc__", "__firstlineno__"),
        *("__module__", "__qualname__", "__static_attributes__", "__weakref__", "_abc_impl", "__parameters__"),
        *("__dataclass_fields__", "__dataclass_params__", "__orig_bases__", "__subclasshook__"),
    }
)


def fingerprint(value: object, what: str) -> str:
    """SHA-256 of a value, hexadecimal.

    Args:
        value: anything.
        what: it is, for messages: ``the metric``.

    Raises:
        SettingsError: a part of it has no content that could be hashed.
    """
    try:
        return _Hasher(what).digest(value, "").hex()
    except RecursionError as error:
        raise SettingsError(
            f"{what} is nested more deeply than Python goes, so that it has no fingerprint"
        ) from error


class _Hasher:
    """Digests of objects, each computed once."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._known: dict[
            int, tuple[Any, bytes]
        ] = {}  # with the object: one that is gone could give its id to another
        self._open: dict[int, int] = {}  # depths of the objects that are being hashed

    def digest(self, value: Any, place: str) -> bytes:  # noqa: ANN401
        """The digest of a value, which lies at a place within what was given."""
        if type(value) in _PLAIN:
            return _sha(type(value).__name__, repr(value).encode("utf-8", "surrogatepass"))
        key = id(value)
        if key in self._known:
            return self._known[key][1]
        if key in self._open:  # an object that refers to one around it
            return _sha("around", str(len(self._open) - self._open[key]).encode())
        self._open[key] = len(self._open)
        try:
            found = self._digest(value, place)
        finally:
            del self._open[key]
        self._known[key] = (value, found)
        return found

    def _digest(self, value: Any, place: str) -> bytes:  # noqa: ANN401
        kind = type(value)
        if isinstance(value, Tensor):
            return self._tensor(value, place)
        if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
            return _sha("array", f"{value.dtype.str}{value.shape}".encode(), np.ascontiguousarray(value).tobytes())
        if kind in (tuple, list, torch.Size):
            return self._all(kind.__name__, value, place)
        if kind is dict:
            return self._table("dict", value, place)
        if kind in (set, frozenset):
            return _sha(kind.__name__, *sorted(self.digest(item, place) for item in value))
        if isinstance(value, (*_TORCH_PLAIN, PurePath)):
            return _sha(kind.__name__, str(value).encode())
        if isinstance(value, enum.Enum):
            return _sha("enum", self.digest(kind, place), value.name.encode())
        if isinstance(
            value, (type, types.ModuleType, types.FunctionType, types.MethodType, types.CodeType, *_BUILT_IN)
        ):
            return self._code(value, place)
        return self._object(value, place)

    def _code(self, value: Any, place: str) -> bytes:  # noqa: ANN401
        """Functions, classes and modules."""
        if isinstance(value, types.MethodType):
            return _sha(
                "method", self.digest(value.__func__, place), self.digest(value.__self__, f"{place}.__self__")
            )
        if isinstance(value, types.CodeType):
            return self._compiled(value, place)
        owner = getattr(value, "__self__", None)
        if isinstance(value, types.BuiltinFunctionType) and not isinstance(owner, (types.ModuleType, type(None))):
            return _sha("bound", value.__name__.encode(), self.digest(owner, place))
        if is_library(value) or isinstance(value, _BUILT_IN):
            return _sha("library", library_name(value).encode())
        if isinstance(value, types.ModuleType):
            return self._module(value, place)
        if isinstance(value, type):
            return self._class(value, place)
        return self._function(value, place)

    def _module(self, module: types.ModuleType, place: str) -> bytes:
        texts = file_texts(module)
        for name, text in texts.items():
            if text is None:
                raise SettingsError(
                    f"{self._what} refers at {place} to the module {name!r}, which has no file whose text could be "
                    f"hashed; {_ADVICE}"
                )
        return _sha("module", *(part for name, text in texts.items() for part in (name.encode(), text or b"")))

    def _function(self, function: types.FunctionType, place: str) -> bytes:
        name = f"{place}.{function.__name__}" if place else function.__name__
        closure = [self.digest(_content(cell), name) for cell in function.__closure__ or ()]
        read = {
            variable: function.__globals__[variable]
            for variable in sorted(globals_read(function.__code__))
            if variable in function.__globals__
        }
        unknown = sorted(globals_read(function.__code__) - read.keys() - builtins_of(function).keys())
        return _sha(
            "function",
            self.digest(function.__code__, name),
            self._all("defaults", function.__defaults__ or (), name),
            self._table("defaults by name", function.__kwdefaults__ or {}, name),
            *closure,
            self._table("globals", read, name),
            self._table("attributes", {key: v for key, v in vars(function).items() if key != "__wrapped__"}, name),
            self._table("imports", modules_imported(function), name),
            repr(unknown).encode(),
        )

    def _compiled(self, code: types.CodeType, place: str) -> bytes:
        names = (code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        constants = self._all("constants", code.co_consts, place)
        return _sha("code", code.co_code, repr((names, counts)).encode(), code.co_exceptiontable, constants)

    def _class(self, kind: type, place: str) -> bytes:
        name = f"{place}.{kind.__name__}" if place else kind.__name__
        own = {key: value for key, value in vars(kind).items() if key not in _OF_EVERY_CLASS}
        parts = [self.digest(base, name) for base in kind.__bases__ if base is not object]
        return _sha("class", kind.__qualname__.encode(), *parts, *self._attributes(own, name))

    def _attributes(self, own: dict[str, Any], place: str) -> Iterator[bytes]:
        for key, value in sorted(own.items()):
            yield key.encode()
            if isinstance(value, _WRAPPERS):
                yield _sha(type(value).__name__, self.digest(value.__func__, f"{place}.{key}"))
            elif isinstance(value, property):
                yield self._all("property", (value.fget, value.fset, value.fdel), f"{place}.{key}")
            elif isinstance(value, functools.cached_property):
                yield _sha("cached", self.digest(value.func, f"{place}.{key}"))
            elif isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):
                yield b"slot"
            else:
                yield self.digest(value, f"{place}.{key}")

    def _object(self, value: Any, place: str) -> bytes:  # noqa: ANN401
        """An object by its class and state, as pickling and copying see them."""
        where = f"{place} ({type(value).__name__})" if place else type(value).__name__
        if isinstance(value, torch.Generator):
            return _sha("generator", self.digest(value.get_state(), place))
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as error:
            raise SettingsError(
                f"{self._what} refers to {where} = {shown(value)}, whose content cannot be hashed, so that results "
                f"of another one could not be told apart ({error}); {_ADVICE}"
            ) from error
        if isinstance(reduced, str):  # found by its name, as a function is that functools.cache has wrapped
            inner = getattr(value, "__wrapped__", None)
            if inner is None and not is_library(value):
                raise SettingsError(
                    f"{self._what} refers to {where}, of which nothing but its name is known; {_ADVICE}"
                )
            return _sha("global", reduced.encode(), self.digest(inner, place))
        build, arguments, *rest = reduced
        state, items, pairs = (*rest, None, None, None)[:3]
        if isinstance(value, nn.Module) and isinstance(state, dict):
            state = _of_module(state)
        inside = _inside(state) if isinstance(state, dict) else state
        return _sha(
            "object",
            self.digest(build, place),
            self._all("arguments", arguments, place),
            self._table("state", inside, place) if isinstance(inside, dict) else self.digest(inside, place),
            self._all("items", list(items or ()), place),
            self._all("pairs", list(pairs or ()), place),
        )

    def _all(self, kind: str, values: Any, place: str) -> bytes:  # noqa: ANN401
        return _sha(kind, *(self.digest(value, f"{place}[{number}]") for number, value in enumerate(values)))

    def _table(self, kind: str, table: dict[Any, Any], place: str) -> bytes:
        parts = [
            part
            for key, value in table.items()
            for part in (self.digest(key, place), self.digest(value, f"{place}.{key}" if place else str(key)))
        ]
        return _sha(kind, *parts)

    def _tensor(self, value: Tensor, place: str) -> bytes:
        if value.is_nested:
            return self._all("nested", value.unbind(), place)
        if value.is_meta or value.is_quantized:
            raise SettingsError(f"{self._what} holds a tensor without plain values at {place}; {_ADVICE}")
        plain = value.detach().resolve_conj().resolve_neg()
        dense = plain.to_dense() if plain.layout != torch.strided else plain
        flat = dense.cpu().contiguous().reshape(-1)
        about = f"{value.dtype}{list(value.shape)}".encode()
        return _sha("tensor", about, flat.view(torch.uint8).numpy().data)


_ADVICE = (
    "keep it out of what the study is given, or say which metric this is: memrix.Metric(function, "
    "identity='my metric, version 1')"
)


def _sha(kind: str, *parts: bytes | memoryview) -> bytes:
    """Digest of parts of any length, none of which can be taken for another."""
    hashed = hashlib.sha256(kind.encode())
    for part in parts:
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.digest()


def _content(cell: types.CellType) -> Any:  # noqa: ANN401
    try:
        return cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return ...


def _of_module(state: dict[str, Any]) -> dict[str, Any]:
    """The state of an ``nn.Module`` without its mode, and without the numbers that hooks are given in a process."""
    return {
        name: list(value.values()) if name.endswith("hooks") and isinstance(value, dict) else value
        for name, value in state.items()
        if name != "training"
    }


def _inside(state: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(state.items(), key=lambda item: str(item[0])))
