"""The weights that a module holds itself, however it holds them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from memrix.nn.composite import Projection

_PACKED = "torch.ao.nn."  # where torch keeps the modules whose weights it has quantized
_NAMES = ("weight", "kernel", "filter")
# Whose objects stay closed.
_LIBRARIES = ("builtins", "torch", "numpy", "weakref", "functools", "threading", "logging")
_OWN = ("memrix.nn.", "memrix.crossbar.")  # modules that hold cells, scales and calibration samples


def parameters_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters of two or more axes, and the largest tensor that each parametrization computes one from."""
    if isinstance(module, Projection):
        return {"weight": module.weight}
    own: dict[str, Tensor] = {
        name: parameter for name, parameter in module.named_parameters(recurse=False) if parameter.dim() > 1
    }
    if isinstance(computed := getattr(module, "parametrizations", None), nn.ModuleDict):
        for name, made in computed.items():
            originals = [t for t in (*made.parameters(recurse=False), *made.buffers(recurse=False)) if t.dim() > 1]
            if originals:
                own[name] = max(originals, key=Tensor.numel)
    return own


def unregistered(module: nn.Module, registered: Collection[int]) -> dict[str, Tensor]:
    """Buffers and plain attributes that may be weights, named with how they are held.

    Args:
        module: whatever it is.
        registered: ids of the parameters and buffers of the model, which an attribute may repeat.
    """
    if _is_closed(module):
        return {}
    found = {
        f"{name} (a buffer)": buffer
        for name, buffer in module.named_buffers(recurse=False)
        if _may_be_weight(name, buffer)
    }
    for name, value in _attributes(module, _entries):
        if not isinstance(value, Tensor) or id(value) in registered:
            continue
        # Maps of attention and caches, which a call leaves behind, have more axes than a matrix.
        if (value.dim() == 2 or any(word in name for word in _NAMES)) and _may_be_weight(name, value):
            found[f"{name} (a plain tensor)"] = value
    return found


def unregistered_modules(module: nn.Module) -> dict[str, nn.Module]:
    """Modules in plain containers and objects of a module, which torch does not know of, by the names there."""
    if _is_closed(module):
        return {}
    # By its type: a weak proxy says that it is what it refers to.
    return {name: value for name, value in _attributes(module, _parts) if issubclass(type(value), nn.Module)}


def packed_weights(module: nn.Module) -> list[Tensor]:
    """The weights that a module holds in torch's packed form; none of any other module."""
    if not type(module).__module__.startswith(_PACKED):
        return []
    getter: Any = getattr(module, "get_weight", None) or getattr(module, "weight", None)
    return list(_tensors(getter())) if isinstance(getter, Callable) else []  # type: ignore[arg-type]


def _is_closed(module: nn.Module) -> bool:
    """Whether what a module holds besides its parameters is internal to torch."""
    return isinstance(module, torch.jit.ScriptModule) or type(module).__module__.startswith(_OWN)


def _may_be_weight(name: str, tensor: Tensor) -> bool:
    """Whether a tensor that is not a parameter looks like a matrix rather than a mask, an index or a statistic."""
    if tensor.is_nested or tensor.dtype == torch.bool or sum(size != 1 for size in tensor.shape) < 2:
        return False
    if tensor.shape[0] == 1:
        return False  # made to be added to a batch, such as positions
    return tensor.is_floating_point() or tensor.is_complex() or "weight" in name


Named = Iterator[tuple[str, Any]]


def _attributes(module: nn.Module, inside: Callable[[str, Any], Named | None]) -> Named:
    """What a module holds outside of torch's own tables, and, however deep, what is ``inside`` of that."""
    tables = ("_parameters", "_buffers", "_modules")
    seen: dict[int, Any] = {}
    waiting = [
        (name, value)
        for name, value in reversed(vars(module).items())
        if name not in tables and not name.endswith(("_hooks", "_hooks_with_kwargs", "_hooks_always_called"))
    ]
    while waiting:
        name, value = waiting.pop()
        if (held := inside(name, value)) is None:
            yield name, value
        elif id(value) not in seen:
            seen[id(value)] = value
            waiting += reversed(list(held))


def _entries(name: str, value: Any) -> Named | None:  # noqa: ANN401
    """The entries of a plain container, named; None of anything else."""
    if issubclass(type(value), Mapping):
        return ((f"{name}[{key!r}]", entry) for key, entry in value.items())
    if issubclass(type(value), (list, tuple, set, frozenset)):
        return ((f"{name}[{number}]", entry) for number, entry in enumerate(value))
    return None


def _parts(name: str, value: Any) -> Named | None:  # noqa: ANN401
    """The entries of a plain container, or the attributes of an object of the user's."""
    if (entries := _entries(name, value)) is not None:
        return entries
    kind = type(value)  # not isinstance: a weak proxy says that it is what it refers to
    if issubclass(kind, (nn.Module, Tensor, type)) or kind.__module__.partition(".")[0] in _LIBRARIES:
        return None
    own = getattr(value, "__dict__", None)
    return ((f"{name}.{key}", entry) for key, entry in own.items()) if type(own) is dict else None


def _tensors(value: Any) -> Iterator[Tensor]:  # noqa: ANN401
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _tensors(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _tensors(entry)
