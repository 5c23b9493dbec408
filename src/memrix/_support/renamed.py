"""Former names of the public interface: each works for one more version and warns."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")

_NAME, _VALUES = "former name", "former values"


def warn_renamed(old: str, new: str, stacklevel: int = 3) -> None:
    """Warn that a name was renamed.

    Args:
        old: the former name, as users write it.
        new: the present one.
        stacklevel: whose line the warning names; 3 is the caller of the function that calls this one.
    """
    warnings.warn(f"{old} was renamed: use {new}", DeprecationWarning, stacklevel=stacklevel)


def former_names(module: str, renamed: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for a module: its former names give the present objects.

    Args:
        module: ``__name__`` of the module.
        renamed: present names by former ones. A dotted present name is that of an object in another module.
    """

    def get(name: str) -> Any:  # noqa: ANN401
        if name not in renamed:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, present = renamed[name].rpartition(".")
        warn_renamed(f"{module}.{name}", f"{home or module}.{present}")
        return getattr(importlib.import_module(home) if home else sys.modules[module], present)

    return get


def former_module(module: str, home: str, renamed: Mapping[str, str] | None = None) -> Callable[[str], Any]:
    """A ``__getattr__`` for the former place of a module: it gives what is in the present one.

    Args:
        module: ``__name__`` of the former place.
        home: name of the present one.
        renamed: present names in it by former ones, where these differ.
    """

    def get(name: str) -> Any:  # noqa: ANN401
        present, place = (renamed or {}).get(name, name), importlib.import_module(home)
        if name.startswith("_") or not hasattr(place, present):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_renamed(f"{module}.{name}", f"{home}.{present}")
        return getattr(place, present)

    return get


def former_modules(package: str, homes: Mapping[str, str], renamed: Mapping[str, Mapping[str, str]]) -> None:
    """Let modules be imported from where they were: each gives what is in the present one, and warns.

    Args:
        package: whose modules they are; both places are named from there.
        homes: present places by former ones.
        renamed: present names in a module by former ones, where these differ, by the former place.
    """
    sys.meta_path.append(
        _FormerModules(
            {f"{package}.{place}": (f"{package}.{home}", renamed.get(place, {})) for place, home in homes.items()}
        )
    )


class _FormerModules(MetaPathFinder, Loader):
    """Finds modules at their former places, each with its present one and the names that have changed in it."""

    def __init__(self, homes: Mapping[str, tuple[str, Mapping[str, str]]]) -> None:
        self._homes = homes

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname in self._homes else None

    def exec_module(self, module: ModuleType) -> None:
        get = former_module(module.__name__, *self._homes[module.__name__])
        module.__getattr__ = get  # type: ignore[method-assign]


def formerly(name: str | None = None, *, values: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Metadata of a dataclass field that has been renamed, or some of whose values have.

    Args:
        name: the former name of the field.
        values: present values by their former names.
    """
    return {_NAME: name, _VALUES: values or {}}


def former_fields(kind: type[Any]) -> dict[str, str]:
    """Present names of the fields of a dataclass, by their former names."""
    return {old: field.name for field in dataclasses.fields(kind) if (old := field.metadata.get(_NAME))}


def in_present_names(kind: type[Any], table: Mapping[str, Any], stacklevel: int | None = None) -> dict[str, Any]:
    """The settings of a dataclass by present names and values.

    A former name stays where the present one is given, too: the reader of the settings refuses it.

    Args:
        kind: the dataclass.
        table: its settings.
        stacklevel: of the warnings, for settings that are given in code. Files are read without any: who opens a
            saved chip cannot change what is in it.
    """
    present = dict(table)
    for field in dataclasses.fields(kind):
        old, values = field.metadata.get(_NAME), field.metadata.get(_VALUES, {})
        if old in present and field.name not in present:
            if stacklevel is not None:
                warn_renamed(f"{kind.__name__}.{old}", f"{kind.__name__}.{field.name}", stacklevel)
            present[field.name] = present.pop(old)
        value = present.get(field.name)
        if isinstance(value, str) and value in values:
            if stacklevel is not None:
                warn_renamed(f"{field.name}={value!r}", f"{field.name}={values[value]!r}", stacklevel)
            present[field.name] = values[value]
    return present


def with_former_names(kind: type[T]) -> type[T]:
    """Decorate a dataclass: its constructor and its attributes also know what its fields were called before.

    Args:
        kind: the dataclass, with ``formerly`` as the metadata of renamed fields.
    """
    construct = kind.__init__
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(kind)  # type: ignore[arg-type]
    order = [field.name for field in fields if field.init and not field.kw_only]

    @functools.wraps(construct)
    def accept(self: Any, *args: Any, **given: Any) -> None:  # noqa: ANN401
        present = in_present_names(kind, {**dict(zip(order, args, strict=False)), **given}, stacklevel=4)
        repeated = set(order[: len(args)]) & given.keys()
        if repeated or len(args) > len(order):
            construct(self, *args, **given)  # raises the error of every constructor
        construct(self, **present)

    kind.__init__ = accept  # type: ignore[method-assign]
    for old, new in former_fields(kind).items():
        setattr(kind, old, property(_former_attribute(kind.__name__, old, new), doc=f"The former name of ``{new}``."))
    return kind


def _former_attribute(kind: str, old: str, new: str) -> Callable[[Any], Any]:
    def get(self: Any) -> Any:  # noqa: ANN401
        warn_renamed(f"{kind}.{old}", f"{kind}.{new}")
        return getattr(self, new)

    return get
