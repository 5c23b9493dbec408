"""How often the converters of a crossbar were used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """How often the ADCs of a crossbar were used.

    Attributes:
        conversions: of all columns.
        clipped: those of them that were clipped.
    """

    conversions: int = 0
    clipped: int = 0
