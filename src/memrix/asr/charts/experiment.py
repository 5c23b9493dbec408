"""Chart of an experiment: word error rates over weight bits, and what they are over float."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memrix.asr.charts.systems_axis import (
    FLOAT,
    QUANTIZED,
    BitsAxis,
    colors_of_chips,
    lengths,
    percent,
    show_differences,
)
from memrix.asr.charts.wer_over_bits import save_chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]

_DIGITAL = ""  # the variant of a recognizer that is on no chip
_PAPER_LOST = 25.0  # % of the float WER, at 3 bits: arXiv 2505.24721


def wer_over_bits_of_experiment(result: Mapping[str, Any], path: Path) -> None:
    """Rates of float, quantized networks and the mean of each kind of chip, and their differences to float.

    All with their 95 % intervals; the extremes of several chips are marked next to their mean.

    Args:
        result: of an experiment, as in its JSON file.
        path: PNG, SVG or PDF.

    Raises:
        DataError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    rows: Sequence[Row] = result["rows"]
    floating = next(row for row in rows if row["bits"] is None)
    others = [row for row in rows if row["bits"] is not None]
    axis = BitsAxis.of((row["bits"] for row in others), (row["variant"] for row in others))
    colors = {_DIGITAL: QUANTIZED, **colors_of_chips(name for name in axis.systems if name != _DIGITAL)}
    figure = Figure(figsize=(11, 5), layout="constrained")
    rates, differences = figure.subplots(1, 2)
    _draw_rates(rates, floating, others, axis, colors)
    _draw_differences(differences, others, axis, colors)
    handles, labels = rates.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(f"{result['corpus']}, {result['part']}, {result['words']} words; bars: 95 % intervals")
    save_chart(figure, path)


def _draw_rates(axes: Axes, floating: Row, rows: Sequence[Row], axis: BitsAxis, colors: Mapping[str, str]) -> None:
    ends = percent(floating["interval"])
    axes.axhspan(ends[0], ends[1], color=FLOAT, alpha=0.12, linewidth=0)
    axes.axhline(100 * floating["rate"], color=FLOAT, linestyle="--", label="float")
    drawn = [*ends]
    named = set()
    for row in rows:
        variant = row["variant"]
        place, rate, color = axis.place(row["bits"], variant), 100 * row["rate"], colors[variant]
        interval = percent(row["interval"])
        name = f"chips: {variant}" if variant else "quantized digitally"
        marker = "o" if variant else "s"
        axes.errorbar(
            [place],
            [rate],
            lengths(rate, interval),
            fmt=marker,
            color=color,
            capsize=3,
            label=None if variant in named else name,
        )
        named.add(variant)
        drawn += [rate, *interval]
        if row["lowest"] is not None:
            extremes = percent((row["lowest"], row["highest"]))
            axes.plot([place] * 2, extremes, linestyle="", marker="_", markersize=9, color=color)
            drawn += extremes
    axes.set_ylabel("word error rate, %")
    axes.set_title("Word error rate; dashes: lowest and highest chip", fontsize=11)
    axis.label(axes)
    show_differences(axes, drawn)


def _draw_differences(axes: Axes, rows: Sequence[Row], axis: BitsAxis, colors: Mapping[str, str]) -> None:
    axes.axhline(0.0, color=FLOAT, linestyle="--")
    drawn = [0.0]
    for row in rows:
        # Beside a float network without errors a share is infinite.
        if row["over_float"] is None or not all(map(math.isfinite, row["over_float"])):
            continue
        difference, *interval = percent(row["over_float"])
        variant = row["variant"]
        axes.errorbar(
            [axis.place(row["bits"], variant)],
            [difference],
            lengths(difference, interval),
            fmt="o" if variant else "s",
            color=colors[variant],
            capsize=3,
        )
        drawn += [difference, *interval]
    if max(drawn) > _PAPER_LOST / 2:
        axes.axhline(_PAPER_LOST, color=FLOAT, linestyle=":")
        axes.annotate(
            "increase in the paper at 3 bits", (axis.bits[-1], _PAPER_LOST), ha="right", va="bottom", fontsize=8
        )
        drawn.append(_PAPER_LOST)
    axes.set_ylabel("WER increase over float, %")
    axes.set_title("Relative difference to float, paired", fontsize=11)
    axis.label(axes)
    show_differences(axes, drawn)
