"""Plain trees checked against the annotations of dataclasses: every problem is found before anything is built.

What a field may hold is said once, by its annotation: ``int``, ``float``, ``bool``, ``str``, ``Literal``,
``X | None``, ``tuple[X, ...]``, ``tuple[X, Y]``, ``dict[str, X]``, another dataclass, or
``Annotated[X, Between(low, high)]`` where not every value is valid. Numbers are finite, a bool is not a number, and
text is valid Unicode.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Literal,
    Protocol,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from memrix._support.records import closest
from memrix._support.renamed import in_present_names
from memrix._support.validation import is_integer, is_number, shown
from memrix.errors import MemrixError

T = TypeVar("T")

_INVALID: Any = object()

THE_MODEL = "(the model)"
"""What the module is called whose path is empty: the model itself, also as a name in a table by paths."""


@dataclass(frozen=True)
class Between:
    """Both bounds are valid."""

    low: float
    high: float


@dataclass(frozen=True)
class FileName:
    """Text that may hold what a file system knows and Unicode does not."""


Count = Annotated[int, Between(0, (1 << 63) - 1)]  # of cells, pulses, readings: what a machine can count


@dataclass
class Reading:
    """One tree being read.

    Attributes:
        problems: found so far, each with the path of its field.
        complete: whether every field of a table must be given, even one that has a default.
    """

    problems: list[str] = dataclasses.field(default_factory=list)
    complete: bool = False

    def expect(self, place: str, expected: str, value: object) -> Any:  # noqa: ANN401
        """Note what should have been there."""
        self.problems.append(f"{place or 'it'} must be {expected}, got {shown(value)}")
        return _INVALID


class Described(Protocol):
    """A class that reads its own tables."""

    @classmethod
    def read_table(cls, value: object, place: str, reading: Reading) -> Any:  # noqa: ANN401
        """An object of a table at a place, or ``invalid()``; problems are noted in the reading."""


def invalid() -> Any:  # noqa: ANN401
    """What stands for an object that could not be read."""
    return _INVALID


def read(kind: type[T], tree: object, *, complete: bool = False) -> T:
    """An object of a dataclass from a tree of tables, lists, numbers and text.

    Args:
        kind: a dataclass.
        tree: as ``parse_json`` gives it.
        complete: whether every field must be given, even one that has a default.

    Raises:
        ValueError: lists every field that is missing, unknown or of another kind, and what it should be.
    """
    reading = Reading(complete=complete)
    value = read_value(kind, tree, "", reading)
    if reading.problems:
        raise ValueError("\n  ".join(reading.problems))
    return cast(T, value)


def read_value(kind: Any, value: object, place: str, reading: Reading) -> Any:  # noqa: ANN401
    """What a field of an annotated kind holds, or ``invalid()``; problems are noted in the reading."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _ranged(kind, value, place, reading)
    if origin is Literal:
        return _choice(get_args(kind), value, place, reading)
    if origin in (Union, types.UnionType):
        return _either(get_args(kind), value, place, reading)
    if origin is tuple:
        return _sequence(get_args(kind), value, place, reading)
    if origin in (dict, Mapping):
        return _mapping(get_args(kind)[1], value, place, reading)
    if kind in _SCALARS:
        expected, valid = _SCALARS[kind]
        return value if valid(value) else reading.expect(place, expected, value)
    if hasattr(kind, "read_table"):
        return kind.read_table(value, place, reading)
    if is_typeddict(kind):
        return _entries(get_type_hints(kind), value, place, reading)
    if dataclasses.is_dataclass(kind):
        return read_record(cast(type[Any], kind), value, place, reading)
    return value  # annotations that say nothing of plain values


def read_record(kind: type[T], value: object, place: str, reading: Reading) -> T | Any:  # noqa: ANN401
    """An object of a dataclass from a table, or ``invalid()``; problems are noted in the reading."""
    if not isinstance(value, dict):
        return reading.expect(place, "a table", value)
    value = in_present_names(kind, value)
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}  # type: ignore[arg-type]
    before = len(reading.problems)
    for name in value:
        if name not in fields:
            reading.problems.append(f"there is no field {inside(place, name)!r}{closest(name, fields)}")
    given = {}
    for name, field in fields.items():
        if name in value:
            given[name] = read_value(kinds(kind)[name], value[name], inside(place, name), reading)
        elif reading.complete or (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ):
            reading.problems.append(f"{inside(place, name)} is missing")
    if len(reading.problems) > before:
        return _INVALID
    try:
        return kind(**given)
    except MemrixError as error:
        reading.problems.append(f"{place}: {error}" if place else str(error))
        return _INVALID


def kinds(kind: type[Any]) -> dict[str, Any]:
    """Annotations of the fields of a dataclass."""
    return _kinds(cast(Hashable, kind))


@functools.cache
def _kinds(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(cast(type[Any], kind), include_extras=True)


def inside(place: str, name: object) -> str:
    """The path of a field of a table at a place."""
    return f"{place}.{name}" if place else str(name)


def _ranged(kind: Any, value: object, place: str, reading: Reading) -> Any:  # noqa: ANN401
    plain, *marks = get_args(kind)
    if any(isinstance(mark, FileName) for mark in marks):
        return value if isinstance(value, str) else reading.expect(place, "the path of a file", value)
    found = read_value(plain, value, place, reading)
    for mark in marks:
        if found is not _INVALID and isinstance(mark, Between) and not mark.low <= found <= mark.high:
            what = "an integer" if plain is int else "a number"
            return reading.expect(place, f"{what} from {mark.low} to {mark.high}", value)
    return found


def _choice(choices: tuple[object, ...], value: object, place: str, reading: Reading) -> Any:  # noqa: ANN401
    if any(type(value) is type(choice) and value == choice for choice in choices):
        return value
    return reading.expect(place, f"one of {', '.join(map(repr, choices))}", value)


def _either(options: tuple[Any, ...], value: object, place: str, reading: Reading) -> Any:  # noqa: ANN401
    if value is None and type(None) in options:
        return None
    others = [option for option in options if option is not type(None)]
    for option in others:
        trial = Reading(complete=reading.complete)
        found = read_value(option, value, place, trial)
        if not trial.problems:
            return found
        if len(others) == 1:
            reading.problems += trial.problems
            return _INVALID
    expected = " or ".join(_SCALARS[option][0] if option in _SCALARS else "a list" for option in others)
    return reading.expect(place, expected, value)


def _sequence(items: tuple[Any, ...], value: object, place: str, reading: Reading) -> Any:  # noqa: ANN401
    if not isinstance(value, (list, tuple)):
        return reading.expect(place, "a list", value)
    if len(items) == 2 and items[1] is Ellipsis:
        of_each: Sequence[Any] = [items[0]] * len(value)
    elif len(value) == len(items):
        of_each = items
    else:
        return reading.expect(place, f"a list of {len(items)}", value)
    found = tuple(
        read_value(kind, item, inside(place, number), reading)
        for number, (kind, item) in enumerate(zip(of_each, value, strict=True))
    )
    return _INVALID if any(item is _INVALID for item in found) else found


def _mapping(kind: Any, value: object, place: str, reading: Reading) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        return reading.expect(place, "a table", value)
    for name in value:
        if not is_text(name):
            return reading.expect(f"a name in {place}", "text that is valid Unicode", name)
    found = {name: read_value(kind, item, inside(place, name or THE_MODEL), reading) for name, item in value.items()}
    return _INVALID if any(item is _INVALID for item in found.values()) else found


def _entries(kinds_by_name: dict[str, Any], value: object, place: str, reading: Reading) -> Any:  # noqa: ANN401
    if not isinstance(value, dict) or value.keys() != kinds_by_name.keys():
        return reading.expect(place, f"a table of {', '.join(kinds_by_name)}", value)
    found = {
        name: read_value(kind, value[name], inside(place, name), reading) for name, kind in kinds_by_name.items()
    }
    return _INVALID if any(item is _INVALID for item in found.values()) else found


def is_text(value: object) -> bool:
    """Whether a value is text that is valid Unicode, without lone surrogates."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_finite(value: object) -> bool:
    if not is_number(value):
        return False
    try:
        return math.isfinite(cast(float, value))
    except OverflowError:
        return False


_SCALARS: dict[Any, tuple[str, Callable[[object], bool]]] = {
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("an integer", is_integer),
    float: ("a finite number", _is_finite),
    str: ("text that is valid Unicode", is_text),
}
