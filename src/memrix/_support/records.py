"""Plain tables: with dotted names, changed, and as TOML."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from memrix._support.wording import shown
from memrix.errors import SettingsError

_LARGE = 1e6  # from here on numbers are written as people write them: 1e8 Hz


def closest(name: str, known: Iterable[str]) -> str:
    """``(did you mean 'x'?)`` with a leading blank, or nothing when no known name is near.

    Args:
        name: that nothing has.
        known: the names that there are.
    """
    matches = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def nested(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of tables, of one whose dotted names reach inside: ``a.b`` is ``b`` of the table ``a``.

    Raises:
        SettingsError: a setting is given both ways.
    """
    tables = {name: value for name, value in table.items() if "." not in str(name)}
    for name, value in table.items():
        part, dot, setting = str(name).partition(".")
        inside = tables.get(part, {})
        # Anything else than a table has nothing inside, and is refused later.
        if dot and isinstance(inside, dict):
            if setting in inside:
                raise SettingsError(f"the setting {shown(name)} is given twice; give it once")
            tables[part] = {**inside, setting: value}
    return tables


def merged(base: dict[str, Any], changes: dict[str, Any], *, unless: str) -> dict[str, Any]:
    """A table with changes, those of its tables setting by setting, ``unless`` this is one: it makes a table new."""
    tables = dict(base)
    for name, value in changes.items():
        known = base.get(name)
        if isinstance(known, dict) and isinstance(value, dict) and unless not in value:
            tables[name] = {**known, **value}
        else:
            tables[name] = value
    return tables


def toml(table: dict[str, Any]) -> str:
    """A table of strings, numbers, and tables of these, as TOML; None, which TOML has no word for, is a comment.

    Tables in tables stand in one line: their order is kept, which that of sections cannot be.
    """
    # The core depends on no library that writes it.
    lines = _toml_lines({name: value for name, value in table.items() if not isinstance(value, dict)})
    for name, values in table.items():
        if isinstance(values, dict):
            lines += ["", f"[{name}]", *_toml_lines(values)]
    return "\n".join(lines) + "\n"


def _toml_lines(table: dict[str, Any]) -> list[str]:
    return [
        f"# {name} is not set" if value is None else f"{_toml_key(name)} = {_toml_value(value)}"
        for name, value in table.items()
    ]


def _toml_key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml_value(name)


def _toml_value(value: object) -> str:
    if isinstance(value, dict):
        inside = {name: inner for name, inner in value.items() if inner is not None}
        return f"{{ {', '.join(_toml_lines(inside))} }}"
    if isinstance(value, float) and _LARGE <= abs(value) < math.inf:
        return f"{Decimal(repr(value)).normalize():e}".replace("e+", "e")
    # JSON's strings and numbers are TOML's too, but for escaped pairs of surrogates, and for an unescaped DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
