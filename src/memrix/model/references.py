"""Functions in a model that would still run the original model, or a layer from before its conversion."""

from __future__ import annotations

import dis
import functools
import logging
import types
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from memrix._support.wording import listing
from memrix.errors import ConversionError
from memrix.model.contents import Contents, Held, attributes, target_of

Adopted = Mapping[nn.Module, type[nn.Module]]  # layers that are to change their class, and the class

# Nothing of a model hangs on these, and whole programs do.
_NOT_FOLLOWED = (type, types.ModuleType, types.CodeType, str, bytes, int, float, complex, type(None), logging.Logger)


def stale_functions(contents: Contents, adopted: Adopted, *, copied: bool) -> list[str]:
    """Attributes of a model whose functions would not run what the model is to become, one message each.

    Args:
        contents: of the model.
        adopted: layers that are to change their class.
        copied: whether a copy of the model is to change rather than the model itself.
    """
    messages: dict[str, None] = {}  # each once, in order
    for held in contents.methods:
        if (name := _frozen(held.value, adopted)) is not None:
            messages[_frozen_message(held, name, contents.names[id(held.value.__self__)])] = None
    for held in [*contents.functions, *contents.uncopyable]:
        for reached in _reached(held.value):
            if isinstance(reached, types.MethodType) and (name := _frozen(reached, adopted)) is not None:
                owner = contents.names.get(id(reached.__self__), "")
                messages[_frozen_message(held, name, owner)] = None
                break
            original = _original(reached, contents) if copied else None
            if original is not None:
                messages[_original_message(held, original)] = None
                break
    for weak in contents.weak if copied else []:
        if weak.holder is None and id(weak.target) in contents.names:
            original = _shown(contents.names[id(weak.target)])
            messages[_original_message(Held(weak.place, weak.value), original)] = None
    return list(messages)


def require_live_functions(contents: Contents, adopted: Adopted, *, copied: bool) -> None:
    """Raise ConversionError that lists the ``stale_functions``."""
    stale = stale_functions(contents, adopted, copied=copied)
    if stale:
        raise ConversionError(f"this model cannot be converted as asked:{listing(stale)}")


def _frozen(method: types.MethodType, adopted: Adopted) -> str | None:
    """The name of a method whose layer will have another one in its place."""
    kind = adopted.get(method.__self__) if isinstance(method.__self__, nn.Module) else None
    name = getattr(method.__func__, "__name__", "")
    if kind is None or not name or getattr(kind, name, method.__func__) is method.__func__:
        return None
    return name


def _frozen_message(held: Held, method: str, owner: str) -> str:
    return (
        f"attribute {held.place!r} holds the method {method!r} that layer {owner or '(the model)'!r} has now, and "
        f"would bypass the converted layer; keep the layer itself and call it"
    )


def _original(reached: object, contents: Contents) -> str | None:
    if isinstance(reached, nn.Module) and id(reached) in contents.names:
        return _shown(contents.names[id(reached)])
    if isinstance(reached, Tensor) and id(reached) in contents.tensors:
        return f"the tensor {contents.tensors[id(reached)]!r} of the original"
    return None


def _shown(name: str) -> str:
    return f"the module {name!r} of the original" if name else "the original"


def _original_message(held: Held, original: str) -> str:
    shown = getattr(held.value, "__qualname__", type(held.value).__name__)
    return (
        f"attribute {held.place!r} holds {shown!r}, which a copy of the model shares and which uses {original}: the "
        f"copy would still run the original; convert the model itself, with inplace=True, or let a method of the "
        f"module do what this does"
    )


def _reached(start: object) -> Iterator[Any]:
    """Modules, tensors and bound methods that a function, or what is shared in its place, can use."""
    seen: dict[int, Any] = {}
    waiting = [start]
    while waiting:
        value = waiting.pop()
        if isinstance(value, _NOT_FOLLOWED) or id(value) in seen:
            continue
        seen[id(value)] = value
        if type(value) in weakref.ProxyTypes:
            waiting.append(target_of(value))
            continue
        if isinstance(value, (nn.Module, Tensor, types.MethodType)):
            yield value
        if not isinstance(value, Tensor):
            waiting += _used_by(value)


def _used_by(value: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(value, types.FunctionType):
        yield from _cells(value)
        yield from value.__defaults__ or ()
        yield from (value.__kwdefaults__ or {}).values()
        yield from _globals(value)
    elif isinstance(value, types.MethodType):
        yield from (value.__self__, value.__func__)
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, (dict, types.MappingProxyType)):
        yield from value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    elif isinstance(value, weakref.ref):
        yield value()
    elif isinstance(value, (staticmethod, classmethod)):
        yield value.__func__
    elif isinstance(value, (types.GeneratorType, types.CoroutineType)):
        frame = value.gi_frame if isinstance(value, types.GeneratorType) else value.cr_frame
        yield from () if frame is None else list(frame.f_locals.values())
    elif isinstance(value, (types.BuiltinFunctionType, types.MethodWrapperType)):
        yield value.__self__
    yield from attributes(value).values()


def _cells(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue


def _globals(function: types.FunctionType) -> Iterator[Any]:
    """The values that a function, or one inside it, looks up by their global names."""
    known = function.__globals__
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") and instruction.argval in known:
                value = known[instruction.argval]
                # Functions of other files lead into whole libraries, which know no model of the user's.
                if not isinstance(value, types.FunctionType) or value.__globals__ is known:
                    yield value
