"""Chart of an evaluation: word error rates over weight bits, and what they are over float."""

from __future__ import annotations

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
from memrix.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]

_PAPER_LOST = 25.0  # % of the float WER, at 3 bits: arXiv 2505.24721


def wer_over_bits(result: Mapping[str, Any], path: Path) -> None:
    """Rates of float, quantized networks and the mean of each kind of chip, and their differences to float.

    All with their 95 % intervals; the extremes of several chips are marked next to their mean.

    Args:
        result: of an evaluation, as in its JSON file.
        path: PNG, SVG or PDF.

    Raises:
        DataError: no rows to draw, or a file that cannot be written.
    """
    from matplotlib.figure import Figure

    rows: Sequence[Row] = result["summary"]
    floating = next((row for row in rows if row["execution"] == "float"), None)
    if floating is None:
        raise DataError(f"a chart needs the row of the float model, got {len(rows)} rows without it")
    others = [row for row in rows if row is not floating]
    axis = BitsAxis.of((row["weight_bits"] for row in others), (row["hardware"] for row in others))
    colors: dict[str | None, str] = {None: QUANTIZED}
    colors.update(colors_of_chips(name for name in axis.systems if name is not None))
    figure = Figure(figsize=(11, 5), layout="constrained")
    rates, differences = figure.subplots(1, 2)
    _draw_rates(rates, floating, others, axis, colors)
    _draw_differences(differences, others, axis, colors)
    handles, labels = rates.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    corpus, model = result["corpus"], Path(result["settings"]["model"]).name
    figure.suptitle(f"{model} on {corpus['name']}, {corpus['words']} words; bars: 95 % intervals")
    save_chart(figure, path)


def save_chart(figure: Figure, path: Path) -> None:
    """Write a chart; its folder is made if need be.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise DataError(f"the chart {path} cannot be written ({error}); name a .png, .svg or .pdf") from error


def _draw_rates(
    axes: Axes, floating: Row, rows: Sequence[Row], axis: BitsAxis, colors: Mapping[str | None, str]
) -> None:
    ends = percent(floating["wer_interval"])
    axes.axhspan(ends[0], ends[1], color=FLOAT, alpha=0.12, linewidth=0)
    axes.axhline(100 * floating["wer"], color=FLOAT, linestyle="--", label="float")
    drawn = [*ends]
    named = set()
    for row in rows:
        hardware = row["hardware"]
        place, rate, color = axis.place(row["weight_bits"], hardware), 100 * row["wer"], colors[hardware]
        interval = percent(row["wer_interval"])
        name = "quantized digitally" if hardware is None else f"chips: {hardware}"
        axes.errorbar(
            [place],
            [rate],
            lengths(rate, interval),
            fmt=_marker(row),
            color=color,
            capsize=3,
            label=None if hardware in named else name,
        )
        named.add(hardware)
        drawn += [rate, *interval]
        if row["lowest"] is not None:
            extremes = percent((row["lowest"], row["highest"]))
            axes.plot([place] * 2, extremes, linestyle="", marker="_", markersize=9, color=color)
            drawn += extremes
    axes.set_ylabel("word error rate, %")
    axes.set_title("Word error rate; dashes: lowest and highest chip", fontsize=11)
    axis.label(axes)
    show_differences(axes, drawn)


def _draw_differences(axes: Axes, rows: Sequence[Row], axis: BitsAxis, colors: Mapping[str | None, str]) -> None:
    axes.axhline(0.0, color=FLOAT, linestyle="--")
    drawn = [0.0]
    for row in rows:
        over = row["over_float"]
        # Beside a float network without errors there is no share.
        if over is None or over["relative_interval"] is None:
            continue
        difference, *interval = percent((over["relative"], *over["relative_interval"]))
        axes.errorbar(
            [axis.place(row["weight_bits"], row["hardware"])],
            [difference],
            lengths(difference, interval),
            fmt=_marker(row),
            color=colors[row["hardware"]],
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


def _marker(row: Row) -> str:
    return "s" if row["hardware"] is None else "o"
