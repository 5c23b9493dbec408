"""Weighted layers that are not on a crossbar, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memrix.inventory import Weighted, digital_reason
from memrix.tables import explained


@dataclass(frozen=True)
class DigitalSummary:
    """One weighted layer that is not on a crossbar, and the reason."""

    name: str
    kind: str
    weights: int
    reason: str

    @classmethod
    def of(cls, layer: Weighted) -> DigitalSummary:
        """What there is to say of a layer."""
        return cls(layer.name, type(layer.module).__name__, layer.weights, digital_reason(layer))


def digital_table(layers: Sequence[DigitalSummary]) -> str:
    """A section of a report; empty if there is no layer."""
    rows = [(layer.name, f"{layer.weights:,} weights", layer.reason) for layer in layers]
    return "\n\nstays digital\n" + explained(rows) if rows else ""
