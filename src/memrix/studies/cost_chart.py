"""The chart of costs: energy of each layer by cause, and of the same products computed digitally."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from memrix.costing import Costs
from memrix.costing.layer_costs import CAUSES
from memrix.costing.tables import REFERENCE
from memrix.costing.units import scale_of_joule
from memrix.studies.device_charts.style import BLACK, BLUE, GRAY, GREEN, ORANGE, SKY, VERMILLION, clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BARS = 40
COLORS = {"array": VERMILLION, "drivers": ORANGE, "adc": BLUE, "dac": SKY, "sums": GREEN}
_REFERENCE = {
    "arithmetic": (f"digital, 8 bits: {REFERENCE['arithmetic']}", GRAY),
    "sram": (REFERENCE["sram"], "#CCCCCC"),
}
ELSEWHERE = {**_REFERENCE, "digital": ("layers that stay digital", BLACK)}
"""Words and color of energies that are not spent on crossbars."""


def energies(costs: Costs, parts: Iterable[str] = tuple(CAUSES)) -> dict[str, dict[str, float]]:
    """Energy in J by cause of each layer on crossbars; of many, those that differ in numbers alone are added.

    ``parts``: other figures of a layer, such as ``area`` in m².
    """
    parts = tuple(parts)
    names = [layer.name for layer in costs.by_layer]
    kinds = {name: re.sub(r"\d+", "*", name) if len(names) > MOST_BARS else name for name in names}
    found: dict[str, dict[str, float]] = {kind: dict.fromkeys(parts, 0.0) for kind in kinds.values()}
    for layer in costs.by_layer:
        for part in parts:
            found[kinds[layer.name]][part] += getattr(layer, part)
    return found


def draw_costs(costs: Costs, what: str = "one input") -> Figure:
    """Stacked bars by cause, one a layer; below them their sum, the same products computed digitally, and the rest.

    Args:
        costs: of a chip.
        what: they are of, for the title.
    """
    from matplotlib.figure import Figure

    rows = energies(costs)
    figure = Figure(figsize=(10, 3.4 + 0.27 * len(rows)), layout="constrained")
    layers, totals = figure.subplots(2, 1, height_ratios=[max(len(rows), 2), 3])
    used = parts_of(costs)
    _stack(layers, rows, used)
    layers.set_ylabel("layers on crossbars")
    _stack(totals, totals_of(costs), {**used, **ELSEWHERE})
    for axes, keys in ((layers, used), (totals, _REFERENCE)):
        handles, labels = axes.get_legend_handles_labels()
        wanted = [words for words, _ in keys.values()]
        handles = [handles[labels.index(words)] for words in wanted]
        axes.legend(handles, wanted, frameon=False, ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    figure.suptitle(f"Energy of {what}", fontsize=13, color=BLACK)
    return figure


def parts_of(costs: Costs) -> dict[str, tuple[str, str]]:
    """Words and color of each cause that takes energy."""
    return {cause: (words, COLORS[cause]) for cause, words in CAUSES.items() if costs.by_cause[cause]}


def totals_of(costs: Costs) -> dict[str, dict[str, float]]:
    """Energy in J of all layers on crossbars, of the same products computed digitally, and of digital layers."""
    reference = costs.reference
    totals = {
        "all on crossbars": {cause: costs.by_cause[cause] for cause in CAUSES},
        "the same, digital": {cause: reference[cause] for cause in _REFERENCE},
    }
    return {**totals, **({"layers that stay digital": {"digital": costs.digital_energy}} if costs.digital else {})}


def _stack(axes: Axes, rows: Mapping[str, Mapping[str, float]], parts: Mapping[str, tuple[str, str]]) -> None:
    """Horizontal bars of energies in J, from top to bottom; ``parts``: words and color of each part of a bar."""
    unit, name = scale_of_joule(max(sum(row.values()) for row in rows.values()))
    left = [0.0] * len(rows)
    for part, (words, color) in parts.items():
        widths = [row.get(part, 0.0) / unit for row in rows.values()]
        axes.barh(list(rows), widths, left=left, color=color, label=words)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.margins(y=0.02)
    axes.set_xlabel(f"energy ({name})")
    clean(axes)
    axes.grid(visible=False, axis="y")
