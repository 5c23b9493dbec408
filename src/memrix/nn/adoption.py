"""Adoption: a torch layer gets a class of memrix and is still an instance of its own class.

A layer that is fake-quantized, programmed or decomposed is the same object as before, with the same tensors, hooks
and owners. Only its ``__class__`` changes, to one made at run time from a mixin of memrix and the layer's class::

    CrossbarLayer       + nn.Linear  ->  MemristorLinear    an instance of both
    CrossbarLayer       + MyLinear   ->  MemristorMyLinear  an instance of both, and of MemristorLinear
    DecomposedRecurrent + nn.LSTM    ->  DecomposedLSTM

There is one class for each pair. Its layers can be copied, pickled and saved, and ``give_back`` undoes the adoption.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from torch import nn

Mixin = TypeVar("Mixin", bound="AdoptedLayer")
Module = TypeVar("Module", bound=nn.Module)

_CLASSES: dict[tuple[type[AdoptedLayer], type[nn.Module]], type[Any]] = {}
_PARTS: dict[type[nn.Module], tuple[type[AdoptedLayer], type[nn.Module]]] = {}  # of each of these classes
_PREFIXES: dict[type[AdoptedLayer], str] = {}
_DEFAULTS: dict[type[AdoptedLayer], tuple[type, ...]] = {}


class AdoptedLayer(nn.Module):
    """Base class of the mixins.

    A mixin may give two arguments with its bases, which are inherited: ``prefix``, which begins the names of classes
    made with it, and ``defaults``, classes whose attributes are used if the layer's class does not have them.
    """

    def __init_subclass__(cls, *, prefix: str | None = None, defaults: tuple[type, ...] = (), **others: Any) -> None:
        super().__init_subclass__(**others)
        if prefix is not None:
            _PREFIXES[cls] = prefix
        if defaults:
            _DEFAULTS[cls] = defaults

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A class that was made at run time cannot be found by its name.
        if (parts := _PARTS.get(type(self))) is not None:
            return blank_layer, parts, self.__getstate__()  # type: ignore[no-untyped-call]
        return super().__reduce_ex__(protocol)


def adopt(layer: nn.Module, mixin: type[Mixin]) -> Mixin:
    """Mix a mixin into the class of a layer, in place. It replaces a mixin that the layer has already."""
    layer.__class__ = adopted_class(mixin, torch_type(type(layer)))
    return cast(Mixin, layer)


def give_back(layer: nn.Module) -> None:
    """Give a layer the class back that it had before it was adopted, in place."""
    layer.__class__ = torch_type(type(layer))


def torch_type(kind: type[nn.Module]) -> type[nn.Module]:
    """The class of a layer before it was adopted."""
    return _PARTS[kind][1] if kind in _PARTS else kind


def adopted_class(mixin: type[Mixin], layer: type[nn.Module]) -> type[Mixin]:
    """The class that layers of a class have once they are adopted.

    Args:
        mixin: that memrix adds.
        layer: a class of torch, of another library or of a user, not one that this function made.
    """
    key = (mixin, layer)
    if key not in _CLASSES:
        # The made classes derive from each other as the layers' classes do.
        parents = [base for base in layer.__bases__ if _is_layer(base) and base not in mixin.__mro__]
        known = [adopted_class(mixin, parent) for parent in parents]
        bases = (*(known or [mixin]), layer, *_of_mixin(_DEFAULTS, mixin, ()))
        name = _of_mixin(_PREFIXES, mixin, "Adopted") + layer.__name__
        made = type(name, bases, {"__doc__": mixin.__doc__, "__module__": mixin.__module__})
        _CLASSES[key], _PARTS[made] = made, key
    return cast(type[Mixin], _CLASSES[key])


def blank_layer(mixin: type[Mixin], layer: type[nn.Module]) -> Mixin:
    """An adopted layer without any content, to be filled. Pickles contain the name of this function."""
    return object.__new__(adopted_class(mixin, layer))


def sharing(layer: nn.Module, mixin: type[Mixin]) -> Mixin:
    """Another adopted layer with the same tensors and children; assigning to one does not change the other."""
    return shallow_copy(layer, adopted_class(mixin, torch_type(type(layer))))


def shallow_copy(module: nn.Module, kind: type[Module]) -> Module:
    """A module with the attributes, tensors and children of another; assigning to one does not change the other."""
    copied = object.__new__(kind)
    # Only torch's tables of tensors, children and hooks are copied, not what is in them.
    vars(copied).update({key: value.copy() if key in _TABLES else value for key, value in vars(module).items()})
    return copied


_TABLES = frozenset(name for name, value in vars(nn.Module()).items() if isinstance(value, (dict, set)))


def _is_layer(kind: type) -> bool:
    return issubclass(kind, nn.Module) and kind is not nn.Module


def _of_mixin(table: dict[type[AdoptedLayer], Any], mixin: type[AdoptedLayer], default: Any) -> Any:
    """The entry of a mixin in a table, or of its nearest parent."""
    return next((table[kind] for kind in mixin.__mro__ if kind in table), default)
