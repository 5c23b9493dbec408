"""Checks of single settings, with one wording for all of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from memrix._support.wording import shown as shown
from memrix.errors import MemrixError, SettingsError


def plain_settings(record: Any) -> None:  # noqa: ANN401
    """Turn the numpy scalars among the fields of a frozen dataclass into Python's numbers, which files can hold."""
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, np.generic):
            object.__setattr__(record, field.name, value.item())


def is_number(value: object) -> bool:
    """Whether a value is a real number of Python or numpy: no bool, no text, no complex number, no tensor."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def is_integer(value: object) -> bool:
    """Whether a value is an integer of Python or numpy, and no bool."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def require_integer(
    name: str,
    value: object,
    low: int,
    high: int,
    *,
    or_else: str = "",
    why: str = "",
    error: type[MemrixError] = SettingsError,
) -> None:
    """Raise unless ``value`` is an integer from ``low`` to ``high``.

    Args:
        name: of the setting.
        value: that was given.
        low: the least.
        high: the most.
        or_else: what is valid too.
        why: there is a limit, as a clause of the message.
        error: to be raised.
    """
    if not is_integer(value) or not low <= value <= high:  # type: ignore[operator]
        others = f", or {or_else}" if or_else else ""
        raise error(f"{name} must be an integer from {low} to {high}{others}{_because(why)}, got {shown(value)}")


def require_positive(name: str, value: object, unit: str) -> None:
    """Raise SettingsError unless ``value`` is a finite number above 0."""
    if not is_number(value) or not 0 < value < math.inf:  # type: ignore[operator]
        raise SettingsError(f"{name} must be a number above 0 in {unit}, got {shown(value)}")


def require_number(
    name: str,
    value: object,
    low: float,
    high: float,
    unit: str = "",
    *,
    why: str = "",
    error: type[MemrixError] = SettingsError,
) -> None:
    """Raise unless ``value`` is a number from ``low`` to ``high``.

    Args:
        name: of the setting.
        value: that was given.
        low: the least.
        high: the most.
        unit: of all of them.
        why: there is a limit, as a clause of the message.
        error: to be raised.
    """
    if not is_number(value) or not low <= value <= high:  # type: ignore[operator]
        within = f"a number from {low:g} to {high:g}" + (f" {unit}" if unit else "")
        raise error(f"{name} must be {within}{_because(why)}, got {shown(value)}")


def require_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raise SettingsError unless ``value`` is one of ``choices``, and of the same type."""
    # What compares element by element, such as an array, is none of them.
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise SettingsError(f"{name} must be one of {', '.join(map(repr, choices))}, got {shown(value)}")


def _because(why: str) -> str:
    return f" ({why})" if why else ""
