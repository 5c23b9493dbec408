"""Checks of single settings, with one wording for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from memrix.errors import HardwareError


def require_integer(name: str, value: object, low: int, high: int, *, or_else: str = "") -> None:
    """Raise HardwareError unless ``value`` is an integer from ``low`` to ``high``; ``or_else``: what is valid too."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        others = f", or {or_else}" if or_else else ""
        raise HardwareError(f"{name} must be an integer from {low} to {high}{others}, got {value!r}")


def require_positive(name: str, value: object, unit: str) -> None:
    """Raise HardwareError unless ``value`` is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (0 < value < math.inf):
        raise HardwareError(f"{name} must be a number above 0 in {unit}, got {value!r}")


def require_number(name: str, value: object, low: float, high: float) -> None:
    """Raise HardwareError unless ``value`` is a number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise HardwareError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}")


def require_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raise HardwareError unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise HardwareError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
