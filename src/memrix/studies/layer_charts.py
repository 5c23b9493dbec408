"""Charts of studies by layer: what layers cost, their errors by cause, and the bits that they are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from memrix.studies.allocation_result import Allocation
from memrix.studies.attribution_result import Attribution, LayerCauses
from memrix.studies.device_charts.style import BLACK, BLUE, GRAY, GREEN, ORANGE, PURPLE, SKY, VERMILLION, clean
from memrix.studies.sensitivity_result import Sensitivity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BARS = 30
_COLORS = (BLUE, VERMILLION, ORANGE, GREEN, SKY, PURPLE, "#F0E442", BLACK)
_NAMED_WIDTH = 0.02  # of the chart: narrower bars have no room for a name
_OTHERS = "all other causes"
_LEAST = 0.02  # of the error of some bar: smaller causes are drawn together


def draw_sensitivity(found: Sensitivity) -> Figure:
    """Ranked bars: what each layer costs alone on the chip, and what its absence gains; of many, the worst."""
    from matplotlib.figure import Figure

    rows = found.groups[:MOST_BARS]
    figure = Figure(figsize=(9, 1.9 + 0.42 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = range(len(rows))
    parts = (
        ("only this layer on the chip", [row.cost_alone for row in rows], -0.2, BLUE),
        ("only this layer digital", [row.gain_digital for row in rows], 0.2, ORANGE),
    )
    for label, costs, offset, color in parts:
        axes.barh(
            [place + offset for place in places], list(map(fmean, costs)), height=0.38, color=color, label=label
        )
        if len(found.chip) > 1:
            for place, each in zip(places, costs, strict=True):
                axes.plot([min(each), max(each)], [place + offset] * 2, color=BLACK, linewidth=1)
    axes.axvline(0, color=GRAY, linewidth=0.8)
    axes.set_yticks(list(places), [named(row.name) for row in rows])
    axes.invert_yaxis()
    axes.margins(y=0.02)
    axes.set_xlabel(f"{found.metric} that the layer costs")
    clean(axes)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    more = len(found.groups) - len(rows)
    shown = f", worst {len(rows)} of {len(found.groups)}" if more else ""
    figures = f"{found.metric} {found.reference:.4g} without a chip, {fmean(found.chip):.4g} on it"
    figure.suptitle(f"What layers cost: {figures}{shown}", fontsize=12)
    return figure


def draw_attribution(found: Attribution) -> Figure:
    """Stacked bars by cause: error power of the network, and of each layer on exact inputs; of many, the worst."""
    from matplotlib.figure import Figure

    layers = found.layers[:MOST_BARS]
    figure = Figure(figsize=(9, 2.9 + 0.36 * len(layers)), layout="constrained")
    network, parts = figure.subplots(2, 1, height_ratios=[1.2, max(len(layers), 2)])
    causes = bars_of([found.network, *layers])
    _stack(
        network, [found.network], ["network"], {cause: (color, all_[:1]) for cause, (color, all_) in causes.items()}
    )
    of_layers = {cause: (color, widths[1:]) for cause, (color, widths) in causes.items()}
    _stack(parts, layers, [named(layer.name) for layer in layers], of_layers)
    parts.set_xlabel("error power, % of the power of the outputs")
    handles, labels = parts.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(
        f"Errors by cause: {found.metric} {found.reference:.4g} without errors, {fmean(found.chip):.4g} on the chip",
        fontsize=12,
    )
    return figure


def bars_of(bars: Sequence[LayerCauses]) -> dict[str, tuple[str, list[float]]]:
    """Color of each cause that is drawn, and its width in each bar, in % of the power of the outputs.

    The largest of the first bar comes first; small ones are together.
    """
    causes = _drawn(bars)
    colors = {cause: _COLORS[number % len(_COLORS)] for number, cause in enumerate(causes)} | {_OTHERS: GRAY}
    return {cause: (color, [100 * _width(bar, cause, colors) for bar in bars]) for cause, color in colors.items()}


def _drawn(bars: Sequence[LayerCauses]) -> list[str]:
    """Causes that are more than a sliver of some bar, the largest of the network first."""
    notable = {each.cause for bar in bars for each in bar.causes if each.share > _LEAST * bar.error > 0}
    return [each.cause for each in bars[0].causes if each.cause in notable][: len(_COLORS)]


def _stack(
    axes: Axes, bars: Sequence[LayerCauses], names: Sequence[str], causes: dict[str, tuple[str, list[float]]]
) -> None:
    """Shares of causes from the left, negative ones to the left of 0; a line marks the measured error."""
    right, left = [0.0] * len(bars), [0.0] * len(bars)
    for cause, (color, widths) in causes.items():
        starts = [right[place] if width > 0 else left[place] for place, width in enumerate(widths)]
        axes.barh(range(len(bars)), widths, left=starts, color=color, label=cause, height=0.7)
        right = [start + max(width, 0.0) for start, width in zip(right, widths, strict=True)]
        left = [start + min(width, 0.0) for start, width in zip(left, widths, strict=True)]
    for place, bar in enumerate(bars):
        label = "measured error" if place == 0 else None
        axes.plot([100 * bar.error] * 2, [place - 0.42, place + 0.42], color=BLACK, linewidth=1.6, label=label)
    axes.set_yticks(range(len(bars)), list(names))
    axes.invert_yaxis()
    axes.margins(y=0.02)
    clean(axes)
    axes.grid(visible=False, axis="y")


def _width(bar: LayerCauses, cause: str, colors: dict[str, str]) -> float:
    if cause != _OTHERS:
        return bar.of(cause).share
    return sum(each.share for each in bar.causes if each.cause not in colors)


def named(name: str) -> str:
    """The name of a layer for an axis; of a long one, its end."""
    return name if len(name) <= 44 else "…" + name[-43:]


def draw_allocation(found: Allocation) -> Figure:
    """Bits of each layer as bars, as wide as its cells; below, the metric on chips beside those of uniform bits."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.4), layout="constrained")
    bits, metric = figure.subplots(2, 1, height_ratios=[2, 1])
    total, left = sum(layer.cells for layer in found.layers), 0.0
    for layer in found.layers:
        width = layer.cells / total
        bits.bar(left, layer.bits, width=width, align="edge", color=BLUE, edgecolor="white", linewidth=0.8)
        if width > _NAMED_WIDTH:
            middle, above = left + width / 2, layer.bits + 0.1
            bits.text(middle, above, named(layer.name), rotation=90, ha="center", va="bottom", fontsize=8)
        left += width
    most = max(layer.bits for layer in found.layers)
    bits.set(xlim=(0, 1), ylim=(0, 2 * most), xlabel="share of all cells", ylabel="bits of weights")
    bits.set_yticks(range(0, math.ceil(most) + 1))
    chips = found.chips
    for place, each in enumerate(chips):
        figures = [one.mean for one in each.measured]
        metric.plot(figures, [place] * len(figures), "o", color=ORANGE if place else BLUE, alpha=0.5)
        metric.plot([fmean(figures)], [place], "|", color=BLACK, markersize=18, markeredgewidth=2)
    metric.axvline(found.reference, color=GRAY, linewidth=0.8, linestyle="--")
    names = [f"{each.name}\n{each.cells:,} cells" for each in chips]
    metric.set_yticks(range(len(chips)), names, fontsize=9)
    metric.margins(y=0.25)
    metric.invert_yaxis()
    metric.set_xlabel(f"{found.metric} on {len(chips[0].measured)} chips; dashed: without a chip")
    for axes in (bits, metric):
        clean(axes)
    figure.suptitle(f"Bits of each layer, allocated for {found.budget}", fontsize=12)
    return figure
