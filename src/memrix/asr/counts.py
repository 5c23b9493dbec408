"""Counts and seeds in settings, and where they end."""

from __future__ import annotations

import math

MOST = 1_000_000
"""No count of an experiment or an evaluation is above: chips, epochs, hypotheses, utterances."""
LARGEST_SEED = (1 << 62) - 1  # chips have those that follow


def is_count(value: object, low: int, high: float = math.inf) -> bool:
    """Whether a value is an integer of Python from ``low`` to ``high``, and no bool."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
