"""Everything that a deep copy of a model meets: what it copies, and what it cannot copy or shares."""

from __future__ import annotations

import copyreg
import types
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

_PLAIN = (int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented), range, slice, property)
_TORCH_PLAIN = (torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size)
_REGISTRIES = ("_modules", "_parameters", "_buffers")  # of a module: their names are those of attributes
_PROXIES = weakref.ProxyTypes


@dataclass(frozen=True)
class Held:
    """An object, and the attribute of the model that holds it."""

    place: str
    value: Any


@dataclass(frozen=True)
class WeakReference:
    """A weak reference, and what holds it.

    Attributes:
        place: the attribute of the model.
        value: the reference.
        target: what it refers to.
        holder: the object, dict or list that holds it; None where it cannot be replaced there.
        key: attribute, key or position in the holder.
    """

    place: str
    value: Any
    target: Any
    holder: Any = None
    key: Any = None


@dataclass
class Contents:
    """What ``copy.deepcopy`` reaches from a model, by the way that it takes.

    Attributes:
        names: of the modules that it copies, registered or not, by ``id``.
        tensors: names of the parameters and buffers that it copies, by ``id``.
        functions: that it shares: what they refer to stays what it was.
        methods: bound methods; it copies the object that each is bound to.
        computed: tensors that it refuses, such as an activation that is kept.
        uncopyable: other objects that it refuses, such as locks.
        weak: references to what may have been copied.
    """

    names: dict[int, str] = field(default_factory=dict)
    tensors: dict[int, str] = field(default_factory=dict)
    functions: list[Held] = field(default_factory=list)
    methods: list[Held] = field(default_factory=list)
    computed: list[Held] = field(default_factory=list)
    uncopyable: list[Held] = field(default_factory=list)
    weak: list[WeakReference] = field(default_factory=list)

    @classmethod
    def of(cls, model: nn.Module) -> Contents:
        """The contents of a model."""
        contents = cls({id(module): name for name, module in model.named_modules()})
        seen: dict[int, Any] = {}  # the objects too: one that is gone could give its id to another
        waiting = [_Found(model, "")]
        while waiting:
            found = waiting.pop()
            if type(found.value) in _PLAIN or id(found.value) in seen:
                continue
            seen[id(found.value)] = found.value
            waiting += reversed(list(contents._take(found)))
        return contents

    def _take(self, found: _Found) -> Iterator[_Found]:
        """Sort an object in; what a copy of it goes on with."""
        value, place = found.value, found.place
        kind = type(value)
        if kind in _PROXIES or issubclass(kind, weakref.ref):
            self._take_weak(found)
        elif kind in (types.FunctionType, types.BuiltinFunctionType, types.MethodWrapperType):
            self.functions.append(Held(place, value))
        elif kind is types.MethodType:
            self.methods.append(Held(place, value))
            yield _Found(value.__self__, place)
        elif isinstance(value, Tensor):
            if value.is_nested or not value.is_leaf:
                self.computed.append(Held(place, value))
        elif isinstance(value, torch.jit.ScriptModule):
            return  # a separate program, which copies itself completely
        elif isinstance(value, nn.Module):
            name = self.names.setdefault(id(value), place)
            yield from self._take_module(value, name)
        elif kind is dict:
            yield from (_Found(item, f"{place}[{key!r}]", value, key) for key, item in value.items())
            yield from (_Found(key, place) for key in value)
        elif kind in (list, tuple):
            holder = value if kind is list else None
            yield from (_Found(item, f"{place}[{at}]", holder, at) for at, item in enumerate(value))
        elif not issubclass(kind, (type, *_TORCH_PLAIN)):
            yield from self._take_other(found)

    def _take_module(self, module: nn.Module, name: str) -> Iterator[_Found]:
        prefix = f"{name}." if name else ""
        for registry in ("_parameters", "_buffers"):
            for key, tensor in getattr(module, registry).items():
                if tensor is not None:
                    self.tensors.setdefault(id(tensor), prefix + key)
        for key, value in vars(module).items():
            if key in _REGISTRIES:
                yield from (_Found(item, prefix + own, value, own) for own, item in value.items())
            else:
                yield _Found(value, prefix + key, module, key)

    def _take_weak(self, found: _Found) -> None:
        value = found.value
        # A proxy passes everything on to its target, which its bound methods know.
        target = value() if isinstance(value, weakref.ref) else target_of(value)
        if target is None:
            return
        replaceable = type(value) in (weakref.ref, *_PROXIES)
        holder = found.holder if replaceable else None
        self.weak.append(WeakReference(found.place, value, target, holder, found.key))

    def _take_other(self, found: _Found) -> Iterator[_Found]:
        """Any other object: by its ``__deepcopy__``, or by its state as for pickling."""
        value, place = found.value, found.place
        if getattr(type(value), "__deepcopy__", None) is not None:
            # Whether it copies itself is its own affair; functions that do not are functions.
            if callable(value):
                self.functions.append(Held(place, value))
            yield from (_Found(item, f"{place}.{key}", value, key) for key, item in attributes(value).items())
            return
        try:
            reduce = copyreg.dispatch_table.get(type(value))
            reduced = reduce(value) if reduce is not None else value.__reduce_ex__(4)
        except Exception:  # whatever its class raises: it cannot be copied
            self.uncopyable.append(Held(place, value))
            return
        if isinstance(reduced, str):
            if callable(value):
                self.functions.append(Held(place, value))
            return
        _, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        yield from (_Found(argument, place) for argument in arguments or ())
        if isinstance(state, dict):
            yield from (_Found(item, f"{place}.{key}", value, key) for key, item in state.items())
        else:
            yield _Found(state, place)
        yield from (_Found(item, f"{place}[{at}]") for at, item in enumerate(items or ()))
        yield from (_Found(part, f"{place}[{key!r}]") for key, item in pairs or () for part in (key, item))


@dataclass(frozen=True)
class _Found:
    value: Any
    place: str
    holder: Any = None
    key: Any = None


def target_of(proxy: Any) -> Any:  # noqa: ANN401
    """What a ``weakref.proxy`` refers to, or None if it is gone."""
    try:
        return proxy.__repr__.__self__
    except ReferenceError:
        return None


def attributes(value: object) -> dict[str, Any]:
    """The attributes of an object, whether it has a ``__dict__`` or slots."""
    found = dict(getattr(value, "__dict__", None) or {})
    for kind in type(value).__mro__:
        slots: str | Iterable[str] = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                found[name] = getattr(value, name)
    return found
