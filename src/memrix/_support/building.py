"""Dataclasses that check their settings themselves, made from tables."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from memrix._support.records import closest
from memrix._support.renamed import in_present_names
from memrix._support.schema import Reading, inside, invalid, kinds, read_value
from memrix._support.validation import shown
from memrix.errors import MemrixError

T = TypeVar("T")


def build(kind: type[T], table: object, place: str, problems: list[str], *, complete: bool = False) -> T | None:
    """An object of a dataclass that checks its settings itself, or None; what is wrong is added to ``problems``.

    Args:
        kind: the dataclass; every setting has a default, and its ``SettingsError`` names the setting.
        table: its settings, plain or made already.
        place: of the table.
        problems: takes every problem.
        complete: whether every setting must be given, even one that has a default.
    """
    if not isinstance(table, dict):
        problems.append(f"{place} must be a table of settings, got {shown(table)}")
        return None
    table = in_present_names(kind, table)
    known = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    before = len(problems)
    given = {}
    reading = Reading(problems, complete)
    for name, value in table.items():
        if name not in known:
            problems.append(f"there is no setting {inside(place, name)!r}{closest(name, known)}")
        elif dataclasses.is_dataclass(value):
            given[name] = value
        elif (found := read_value(kinds(kind)[name], value, inside(place, name), reading)) is not invalid():
            given[name] = found
    if complete:
        problems += [f"{inside(place, name)} is missing" for name in known if name not in table]
    try:
        made = kind(**given)
    except MemrixError:
        problems += _refused(kind, given)
        return None
    return None if len(problems) > before else made


def _refused(kind: type[Any], given: dict[str, Any]) -> list[str]:
    """Why a dataclass refuses settings."""
    # Setting by setting: one wrong value must not hide the others. Some are valid only with another one, so that
    # those refused get another chance for as long as any is accepted.
    accepted: dict[str, Any] = {}
    refused = given
    errors: dict[str, str] = {}
    while refused:
        errors = {}
        for name, value in refused.items():
            try:
                kind(**{**accepted, name: value})
                accepted[name] = value
            except MemrixError as error:
                errors[name] = str(error)
        if len(errors) == len(refused):
            break
        refused = {name: refused[name] for name in errors}
    return list(errors.values())
