"""Charts of evaluations."""

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

_LABELS = {"quantized": "quantized", "chip": "on the chip"}


def wer_over_bits(result: Mapping[str, Any], path: Path) -> None:
    """Word error rates over weight bits, with the encoder's error next to them.

    The float model is a line with its interval. Several chips are side by side, each with its own interval,
    and their mean with that over chips and utterances.

    Args:
        result: of an evaluation, as in its JSON file.
        path: PNG, SVG or PDF.

    Raises:
        DataError: no rows to draw, or a file that cannot be written.
    """
    from matplotlib.figure import Figure

    rows = result["rows"]
    baseline = next((row for row in rows if row["execution"] == "float"), None)
    if baseline is None:
        raise DataError(f"a chart needs the row of the float model, got {len(rows)} rows without it")
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    rates, errors = figure.subplots(1, 2, width_ratios=(3, 2))
    corpus, settings = result["corpus"], result["settings"]
    systems = _Systems(rows, settings["hardware_name"])
    _draw_rates(rates, baseline, systems, result.get("means", ()))
    _draw_encoder_errors(errors, systems)
    figure.suptitle(
        f"{Path(settings['model']).name} on {corpus['name']} ({corpus['words']} words), "
        f"hardware: {settings['hardware_name']}",
        fontsize=13,
    )
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


class _Systems:
    """Quantized networks and chips of an evaluation: where they stand, and in which color."""

    def __init__(self, rows: Sequence[Row], hardware: str) -> None:
        self.rows = [row for row in rows if row["execution"] in _LABELS]
        self.axis = BitsAxis.of((row["weight_bits"] for row in self.rows), (row["execution"] for row in self.rows))
        self.colors = {"quantized": QUANTIZED, "chip": colors_of_chips([hardware])[hardware]}
        self._chips = 1 + max((row["chip"] or 0 for row in self.rows), default=0)

    def of(self, kind: str) -> list[Row]:
        """Rows of a kind."""
        return [row for row in self.rows if row["execution"] == kind]

    def place(self, row: Row) -> float:
        """Where a row stands: chips side by side, the quantized network alone."""
        chips = self._chips if row["execution"] == "chip" else 1
        return self.axis.place(row["weight_bits"], row["execution"], row["chip"] or 0, chips)

    def draw_means(self, axes: Axes, kind: str, figures: Sequence[float]) -> None:
        """The line through the means over chips at each number of bits."""
        by_bits: dict[float, list[float]] = {}
        for row, figure in zip(self.of(kind), figures, strict=True):
            by_bits.setdefault(row["weight_bits"], []).append(figure)
        bits = sorted(by_bits)
        means = [sum(by_bits[value]) / len(by_bits[value]) for value in bits]
        axes.plot([self.axis.place(value, kind) for value in bits], means, color=self.colors[kind], alpha=0.5)


def _draw_rates(axes: Axes, baseline: Row, systems: _Systems, means: Sequence[Row]) -> None:
    ends = percent(baseline["wer_interval"])
    axes.axhspan(ends[0], ends[1], color=FLOAT, alpha=0.12, linewidth=0)
    axes.axhline(100 * baseline["wer"], color=FLOAT, linestyle="--", label="float")
    drawn = [*ends]
    for kind in systems.axis.systems:
        rows, color = systems.of(kind), systems.colors[kind]
        for number, row in enumerate(rows):
            wer, interval = 100 * row["wer"], percent(row["wer_interval"])
            # Of several chips, the bar that counts is that of their mean.
            single = {"alpha": 0.35, "markersize": 3} if kind == "chip" and means else {"markersize": 5}
            axes.errorbar(
                [systems.place(row)],
                [wer],
                lengths(wer, interval),
                color=color,
                fmt="o",
                capsize=0 if "alpha" in single else 3,
                label=None if number or "alpha" in single else _LABELS[kind],
                **single,
            )
            drawn += [wer, *interval]
        systems.draw_means(axes, kind, [100 * row["wer"] for row in rows])
    for number, mean in enumerate(means):
        wer, interval = 100 * mean["wer"], percent(mean["wer_interval"])
        axes.errorbar(
            [systems.axis.place(mean["weight_bits"], "chip")],
            [wer],
            lengths(wer, interval),
            color=systems.colors["chip"],
            fmt="D",
            markersize=6,
            capsize=4,
            linewidth=2,
            label=None if number else f"mean of {mean['chips']} chips",
        )
        drawn += [wer, *interval]
    axes.set_ylabel("word error rate (%)")
    axes.set_title("Word error rate, 95 % intervals", fontsize=11)
    systems.axis.label(axes)
    show_differences(axes, drawn)
    axes.legend(frameon=False)


def _draw_encoder_errors(axes: Axes, systems: _Systems) -> None:
    drawn = []
    for kind in systems.axis.systems:
        errors = [row["encoder_error"] for row in systems.of(kind)]
        axes.plot(list(map(systems.place, systems.of(kind))), errors, "o", color=systems.colors[kind], markersize=5)
        systems.draw_means(axes, kind, errors)
        drawn += errors
    axes.set_ylabel("relative deviation from float")
    axes.set_title("Encoder output", fontsize=11)
    systems.axis.label(axes)
    show_differences(axes, drawn)
