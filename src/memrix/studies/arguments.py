"""Arguments that studies share."""

from __future__ import annotations

from memrix._support.random import Seeds
from memrix._support.validation import require_integer, require_number, require_positive

MOST_CHIPS = 100_000


def require_arguments(*, chips: int, seed: int, confidence: float = 0.95, fewest: int = 1) -> None:
    """Raise SettingsError where the number of chips, the first seed or a confidence is not valid."""
    require_integer("chips", chips, fewest, MOST_CHIPS)
    Seeds.of(seed)
    require_number("confidence", confidence, 0.5, 0.9999)


def require_widths(half_width: float | None, relative: float | None) -> None:
    """Raise SettingsError where a width that is asked for is not one."""
    for name, value in (("half_width", half_width), ("relative", relative)):
        if value is not None:
            require_positive(name, value, "units of the metric" if name == "half_width" else "shares of the mean")
