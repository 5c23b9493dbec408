"""Candidate layers that are not on a crossbar, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from memrix._support.notebooks import html_table, html_text
from memrix._support.tables import explained
from memrix.model.inventory import Candidate, digital_reason
from memrix.nn.registry import HOW_TO_ADD, NO_COUNTERPART

_TITLE = "stays digital (share of all weights)"


@dataclass(frozen=True)
class DigitalSummary:
    """One candidate layer that is not on a crossbar, and the reason.

    Attributes:
        name: of the layer.
        kind: its class.
        weights: that it holds, those of its bias aside.
        share: of all weights of the model's layers that these are.
        reason: why it stays digital.
    """

    name: str
    kind: str
    weights: int
    share: float
    reason: str


def digital_layers(
    candidates: Sequence[Candidate], is_mapped: Callable[[Candidate], bool], reasons: Mapping[str, str] | None = None
) -> tuple[DigitalSummary, ...]:
    """The layers of a model that are not mapped; ``reasons`` gives reasons that are already known."""
    total = sum(layer.weights for layer in candidates)
    mapped = [layer for layer in candidates if is_mapped(layer)]
    holders = {id(tensor): layer.name for layer in mapped for tensor in layer.tensors}
    found = []
    for layer in candidates:
        if is_mapped(layer):
            continue
        reason = (reasons or {}).get(layer.name) or digital_reason(layer)
        tied = next((holders[id(tensor)] for tensor in layer.tensors if id(tensor) in holders), None)
        if tied is not None:
            reason += f"; it reads the digital weight that {tied!r} shares with it, not the cells of that layer"
        share = layer.weights / total if total else 0.0
        found.append(DigitalSummary(layer.name, type(layer.module).__name__, layer.weights, share, reason))
    return tuple(found)


def digital_table(layers: Sequence[DigitalSummary]) -> str:
    """A section of a report; empty if there is no layer."""
    rows = [(layer.name, f"{layer.weights:,} weights", f"{layer.share:.1%}", layer.reason) for layer in layers]
    return "\n".join([f"\n\n{_TITLE}", explained(rows), *_next_steps(layers)]) if rows else ""


def digital_html(layers: Sequence[DigitalSummary]) -> list[str]:
    """The same in HTML; nothing if there is no layer."""
    rows = [(layer.name, layer.kind, f"{layer.weights:,}", f"{layer.share:.1%}", layer.reason) for layer in layers]
    if not rows:
        return []
    table = html_table([("layer", "type", "weights", "share", "reason"), *rows])
    return [html_text(_TITLE), table, *map(html_text, _next_steps(layers))]


def _next_steps(layers: Sequence[DigitalSummary]) -> list[str]:
    """What can be done about layers, once for all of them."""
    return [HOW_TO_ADD] if any(NO_COUNTERPART in layer.reason for layer in layers) else []
