"""Counts and seeds in settings, and where they end."""

from __future__ import annotations

import math
from collections.abc import Iterable

from memrix.toolkit import shown

MOST = 1_000_000
"""No count of an experiment or an evaluation is above: chips, epochs, hypotheses, utterances."""
LARGEST_SEED = (1 << 62) - 1  # chips have those that follow


def is_count(value: object, low: int, high: float = math.inf) -> bool:
    """Whether a value is an integer of Python from ``low`` to ``high``, and no bool."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def count_problems(settings: object, names: Iterable[str], low: int = 1, high: int = MOST) -> list[str]:
    """A line for each of these settings that is no whole number in the range; the default, such as None, is fine."""
    return [
        f"{name} must be a whole number from {low} on, up to {high}, got {shown(value)}"
        for name in names
        if not is_count(value := getattr(settings, name), low, high) and value is not getattr(type(settings), name)
    ]
