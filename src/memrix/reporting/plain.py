"""Records of studies made from the plain tables that they were written as."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, NoReturn, Union, get_args, get_origin, get_type_hints

from memrix._support.validation import is_number, shown
from memrix.model.patterns import HardwareChoice


def made(kind: Any, value: Any, place: str = "") -> Any:  # noqa: ANN401
    """What a field of an annotated kind holds, of a plain table that may hold more than it takes.

    Not ``_support.schema``: an SQNR may be infinite, and tables hold derived figures too. Hardware and tables of any
    content stay plain.

    Args:
        kind: a dataclass, ``tuple[X, ...]``, ``tuple[X, Y]``, ``dict[X, Y]``, ``X | None``, a number, text or bool.
        value: as JSON gives it.
        place: of the value, for messages.

    Raises:
        ValueError: something is missing or of another kind; the message names it.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if kind == HardwareChoice or origin is Mapping:
        return value
    if origin in (Union, UnionType):
        return None if value is None and NoneType in inner else made(inner[0], value, place)
    if origin is tuple:
        return _sequence(inner, value, place)
    if origin is dict:
        if not isinstance(value, dict):
            _refuse(place, "a table", value)
        return {inner[0](key): made(inner[1], item, f"{place}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, place)
    if kind is float and is_number(value):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        _refuse(place, kind.__name__, value)
    return value


def _sequence(kinds: tuple[Any, ...], value: Any, place: str) -> tuple[Any, ...]:  # noqa: ANN401
    several = kinds[1:] == (...,)
    if not isinstance(value, (list, tuple)) or not (several or len(value) == len(kinds)):
        _refuse(place, "a list" if several else f"a list of {len(kinds)}", value)
    pairs = zip(kinds[:1] * len(value) if several else kinds, value, strict=True)
    return tuple(made(kind, item, f"{place}.{number}") for number, (kind, item) in enumerate(pairs))


def _record(kind: Any, value: Any, place: str) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        _refuse(place, "a table", value)
    places = {field.name: f"{place}.{field.name}".lstrip(".") for field in dataclasses.fields(kind)}
    for field in dataclasses.fields(kind):
        if field.name not in value and field.default is dataclasses.MISSING:
            raise ValueError(f"{places[field.name]} is missing")
    hints = get_type_hints(kind)
    return kind(**{name: made(hints[name], value[name], place) for name, place in places.items() if name in value})


def _refuse(place: str, expected: str, value: object) -> NoReturn:
    raise ValueError(f"{place or 'it'} must be {expected}, got {shown(value)}")
