"""Layers of a network whose tiles differ from the others on a chip, or that stay digital."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from memrix._support.records import nested
from memrix._support.validation import shown
from memrix.errors import SettingsError

DIGITAL = "digital"

Changes = Mapping[str, Any] | str


class LayerSettings(Mapping[str, Changes]):
    """Settings by patterns of layer names: changes to those of the chip by dotted names, or ``"digital"``.

    It cannot be changed, and can be compared, hashed and pickled, as ``Hardware`` can.

    Args:
        settings: changes by pattern (``fnmatch``), such as ``{"*.position": {"adc.range_bits": 7}}``; tables of
            tables, as in files, are accepted, too.

    Raises:
        SettingsError: lists everything that is no pattern and no changes.
    """

    __slots__ = ("_of_patterns",)

    def __init__(self, settings: Mapping[str, Changes] | None = None) -> None:
        given = {} if settings is None else settings
        if not isinstance(given, Mapping):
            raise SettingsError(
                f"layers must be a mapping of name patterns to changed settings, such as "
                f"{{'*.position': {{'adc.range_bits': 7}}}}, or to 'digital', got {shown(given)}"
            )
        problems = [_problem(pattern, changes) for pattern, changes in given.items()]
        if any(problems):
            raise SettingsError("; ".join(filter(None, problems)))
        self._of_patterns = {
            pattern: changes if isinstance(changes, str) else _dotted(changes) for pattern, changes in given.items()
        }

    def __getitem__(self, pattern: str) -> Changes:
        changes = self._of_patterns[pattern]
        return changes if isinstance(changes, str) else dict(changes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._of_patterns)

    def __len__(self) -> int:
        return len(self._of_patterns)

    def __eq__(self, other: object) -> bool:
        # Later patterns change what earlier ones say, so that order matters.
        return isinstance(other, LayerSettings) and list(self.items()) == list(other.items())

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return repr(self._of_patterns)

    def to_tables(self) -> dict[str, Any]:
        """Plain tables by pattern, without dotted names."""
        return {
            pattern: changes if isinstance(changes, str) else nested(changes) for pattern, changes in self.items()
        }


def _problem(pattern: object, changes: object) -> str | None:
    """What is wrong with changes of a pattern, before they meet a chip."""
    if not isinstance(pattern, str) or not pattern:
        return f"a layer pattern must be a name or a pattern such as '*.position', got {shown(pattern)}"
    if changes == DIGITAL:
        return None
    if not isinstance(changes, Mapping) or not changes or not all(isinstance(name, str) for name in changes):
        return (
            f"layers.{pattern!r} must be changed settings, such as {{'adc.range_bits': 7}}, or {DIGITAL!r}, got "
            f"{shown(changes)}"
        )
    if "layers" in changes:
        return f"layers.{pattern!r} cannot have layers of its own; give each pattern in the layers of the chip"
    return None


def _dotted(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Plain settings by dotted names, of tables or parts. A protocol stays a table: others have other settings."""
    settings: dict[str, Any] = {}
    for name, value in changes.items():
        table = _table(value)
        if not isinstance(table, Mapping):
            settings[name] = table
        elif "protocol" in table:
            # What is not set is so by default, and TOML has no word for it.
            settings[name] = {inner: number for inner, number in table.items() if number is not None}
        else:
            settings |= {f"{name}.{inner}": number for inner, number in _dotted(table).items()}
    return settings


def _table(value: Any) -> Any:  # noqa: ANN401
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        protocol = {"protocol": name} if isinstance(name := getattr(value, "name", None), str) else {}
        return {**protocol, **dataclasses.asdict(value)}
    return value.item() if isinstance(value, np.generic) else value
