"""Dataclasses from plain tables, with every problem of a table listed at once."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any, TypeVar

from memrix.errors import HardwareError

T = TypeVar("T")


def closest(name: str, known: Iterable[str]) -> str:
    """``(did you mean 'x'?)`` with a leading blank, or nothing when no known name is near."""
    matches = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def build(kind: type[T], table: Any, path: str, problems: list[str]) -> T | None:  # noqa: ANN401
    """An object of a dataclass from a table, or None; what is wrong is added to ``problems``."""
    if not isinstance(table, dict):
        problems.append(f"{path} must be a table of settings, got {table!r}")
        return None
    known = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    given = {}
    for key, value in table.items():
        if key in known:
            given[key] = value
        else:
            full = f"{path}.{key}" if path else str(key)
            problems.append(f"there is no setting {full!r}{closest(key, known)}")
    # Setting by setting: one wrong value must not hide the others. Some are valid only beside another one, so that
    # those refused get another chance for as long as any is accepted.
    accepted: dict[str, Any] = {}
    refused = given
    errors: dict[str, str] = {}
    while refused:
        errors = {}
        for key, value in refused.items():
            try:
                kind(**{**accepted, key: value})
                accepted[key] = value
            except HardwareError as error:
                errors[key] = str(error)
        if len(errors) == len(refused):
            break
        refused = {key: refused[key] for key in errors}
    if errors:
        problems.extend(errors.values())
        return None
    return kind(**accepted)
