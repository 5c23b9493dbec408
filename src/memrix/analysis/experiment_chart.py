"""Chart of an experiment: word error rates over weight bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memrix.analysis.charts import save_chart

_COLOURS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_FLOAT, _QUANTISED = "#444444", "#0072B2"


def wer_over_bits_of_experiment(result: Mapping[str, Any], path: Path) -> None:
    """Float as a line with its interval, quantised as points, every kind of chip as means with their extremes.

    Args:
        result: of an experiment, as in its JSON file.
        path: PNG, SVG or PDF.

    Raises:
        DataError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    rows: Sequence[Mapping[str, Any]] = result["rows"]
    bits = sorted({row["bits"] for row in rows if row["bits"] is not None}, reverse=True)
    places = {value: place for place, value in enumerate(bits)}
    floating = next(row for row in rows if row["bits"] is None)
    axes.axhline(100 * floating["rate"], color=_FLOAT, label="float")
    axes.axhspan(*(100 * end for end in floating["interval"]), color=_FLOAT, alpha=0.12, linewidth=0)
    axes.axhline(125 * floating["rate"], color=_FLOAT, linestyle=":", label="float + 25 %")
    variants = list(dict.fromkeys(row["variant"] for row in rows if row["variant"]))
    shifts = {name: 0.12 * (number + 1) for number, name in enumerate(variants)}
    for row in rows:
        if row["bits"] is None:
            continue
        place = places[row["bits"]] + shifts.get(row["variant"], 0.0)
        colour = _COLOURS[variants.index(row["variant"]) % len(_COLOURS)] if row["variant"] else _QUANTISED
        rate = 100 * row["rate"]
        if row["lowest"] is not None:
            ends = [[rate - 100 * row["lowest"]], [100 * row["highest"] - rate]]
            axes.errorbar([place], [rate], ends, fmt="o", color=colour, capsize=3)
        else:
            axes.plot([place], [rate], marker="o" if row["variant"] else "s", color=colour)
    axes.plot([], [], "s", color=_QUANTISED, label="quantised digitally")
    for number, name in enumerate(variants):
        axes.plot([], [], "o", color=_COLOURS[number % len(_COLOURS)], label=f"chips: {name} (mean, extremes)")
    axes.set_xticks(range(len(bits)), [f"{value:g}" for value in bits])
    axes.set_xlabel("bits of a weight")
    axes.set_ylabel("word error rate, %")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.set_title(f"{result['corpus']}, {result['part']}, {result['words']} words")
    save_chart(figure, path)
