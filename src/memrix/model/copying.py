"""Copies of whole models, including everything that their modules hold besides tensors."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Sequence
from typing import Any, TypeVar

from torch import nn

from memrix.errors import ConversionError
from memrix.model.contents import Contents, WeakReference

Model = TypeVar("Model", bound=nn.Module)


def copy_model(model: Model, contents: Contents, shared: Sequence[nn.Module] = ()) -> tuple[Model, dict[int, Any]]:
    """A deep copy of a model, and the copy of each of its objects by the ``id`` of the original.

    Tensors that were computed, such as an activation that a module keeps, are detached from their graph. What cannot
    be copied, such as a lock or an open file, is shared with the model. Weak references within the model become
    references within the copy.

    Args:
        model: any module.
        contents: of the model.
        shared: modules that the copy is to have in common with the model.

    Raises:
        ConversionError: an attribute of the model cannot be copied, or a module with parameters gives itself as copy.
    """
    copies: dict[int, Any] = {id(module): module for module in shared}
    for held in contents.uncopyable:
        copies[id(held.value)] = held.value
    for weak in contents.weak:
        copies[id(weak.value)] = weak.value  # of a proxy, a copy would be one of its target
    try:
        for held in contents.computed:
            # Nested tensors cannot be deep-copied at all; others keep the storage that they share.
            detached = held.value.detach()
            copies[id(held.value)] = detached.clone() if detached.is_nested else copy.deepcopy(detached, copies)
        copied = copy.deepcopy(model, copies)
    except RecursionError as error:
        raise ConversionError(
            "this model cannot be copied: its attributes refer to each other more deeply than Python goes; convert "
            "the model itself, with inplace=True, or raise sys.setrecursionlimit"
        ) from error
    except Exception as error:
        raise ConversionError(
            f"this model cannot be copied: {_culprit(model)} raises {type(error).__name__}: {error}; convert the "
            f"model itself, with inplace=True, or remove the attribute for the time of the copy"
        ) from error
    common = {id(part) for module in shared for part in module.modules()}
    kept = {id(module) for module in copied.modules() if next(module.parameters(), None) is not None} - common
    for name, module in model.named_modules():
        if id(module) in kept:
            raise ConversionError(
                f"this model cannot be copied: {f'module {name!r}' if name else 'it'} gives itself as its copy, by a "
                f"its own __deepcopy__, so the model itself would change; convert it with inplace=True"
            )
    for weak in contents.weak:
        _rebind(weak, copies)
    return copied, copies


def copy_of(module: Model, name: str, copies: dict[int, Any]) -> Model:
    """The copy of a module, by the copies that ``copy_model`` made.

    Raises:
        ConversionError: there is none.
    """
    if id(module) not in copies:
        raise ConversionError(
            f"the copy of this model has another module in the place of layer {name!r}, without its ranges, which a "
            f"__deepcopy__ of the modules around it makes; convert the model itself, with inplace=True, or let that "
            f"__deepcopy__ call copy.deepcopy(module, memo)"
        )
    copied: Model = copies[id(module)]
    return copied


def _rebind(weak: WeakReference, copies: dict[int, Any]) -> None:
    """Let a reference in a copy refer to the copy of its target, where that was copied."""
    holder, target = copies.get(id(weak.holder)), copies.get(id(weak.target))
    if holder is None or target is None or target is weak.target:
        return
    reference = weakref.ref(target) if isinstance(weak.value, weakref.ref) else weakref.proxy(target)
    if isinstance(holder, (dict, list)):
        holder[weak.key] = reference
    else:
        # Past any __setattr__: a module would register what a proxy refers to as a child.
        object.__setattr__(holder, weak.key, reference)


def _culprit(model: nn.Module) -> str:
    """The first attribute that cannot be copied on its own."""
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if key == "_modules":
                continue
            try:
                copy.deepcopy(value)
            except Exception:
                return f"attribute {f'{name}.{key}' if name else key!r}"
    return "one of its attributes"
