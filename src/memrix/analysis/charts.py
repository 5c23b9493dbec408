"""Charts of evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memrix.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]

# Okabe and Ito's colours: told apart by colour-blind readers and in grey.
_FLOAT = "#444444"
_COLOURS = {"quantised": "#0072B2", "chip": "#D55E00"}
_NAMES = {"quantised": "quantised", "chip": "on the chip"}
_OFFSETS = {"quantised": -0.12, "chip": 0.12}
"""Quantised and chip stand this far beside the number of bits, so that their intervals do not cover."""
_CHIPS_WIDTH = 0.2
"""Several chips spread over this many bits."""


def wer_over_bits(result: Mapping[str, Any], path: Path) -> None:
    """Word error rates over weight bits, with the encoder's error beside them.

    The float model is a line with its interval; several chips are points about the line of their mean.

    Args:
        result: of an evaluation, as in its JSON file.
        path: PNG, SVG or PDF.

    Raises:
        DataError: no rows to draw, or a file that cannot be written.
    """
    from matplotlib.figure import Figure

    rows = result["rows"]
    if not any(row["execution"] == "float" for row in rows):
        raise DataError(f"a chart needs the row of the float model, got {len(rows)} rows without it")
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    rates, errors = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_rates(rates, rows)
    _draw_encoder_errors(errors, rows)
    corpus, settings = result["corpus"], result["settings"]
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


def _draw_rates(axes: Axes, rows: Sequence[Row]) -> None:
    baseline = next(row for row in rows if row["execution"] == "float")
    low, high = (100 * bound for bound in baseline["wer_interval"])
    axes.axhspan(low, high, color=_FLOAT, alpha=0.12, linewidth=0)
    axes.axhline(100 * baseline["wer"], color=_FLOAT, linestyle="--", label="float")
    for kind in _COLOURS:
        of_kind = [row for row in rows if row["execution"] == kind]
        wers = [100 * row["wer"] for row in of_kind]
        # A bootstrap interval need not contain the rate itself, and bars of negative length are refused.
        below = [max(wer - 100 * row["wer_interval"][0], 0) for wer, row in zip(wers, of_kind, strict=True)]
        above = [max(100 * row["wer_interval"][1] - wer, 0) for wer, row in zip(wers, of_kind, strict=True)]
        axes.errorbar(
            _positions(of_kind),
            wers,
            (below, above),
            color=_COLOURS[kind],
            fmt="o",
            markersize=5,
            capsize=3,
            label=_NAMES[kind],
        )
        _draw_means(axes, of_kind, wers)
    axes.set_ylabel("word error rate (%)")
    axes.set_title("Word error rate, 95 % intervals", fontsize=11)
    _finish(axes, rows)
    axes.legend(frameon=False)


def _draw_encoder_errors(axes: Axes, rows: Sequence[Row]) -> None:
    for kind, colour in _COLOURS.items():
        of_kind = [row for row in rows if row["execution"] == kind]
        errors = [row["encoder_error"] for row in of_kind]
        axes.plot(_positions(of_kind), errors, "o", color=colour, markersize=5)
        _draw_means(axes, of_kind, errors)
    axes.set_ylabel("relative deviation from float")
    axes.set_title("Encoder output", fontsize=11)
    _finish(axes, rows)


def _positions(rows: Sequence[Row]) -> list[float]:
    last = max((row["chip"] or 0 for row in rows), default=0)
    step = _CHIPS_WIDTH / max(last, 1)
    return [row["weight_bits"] + _OFFSETS[row["execution"]] + step * ((row["chip"] or 0) - last / 2) for row in rows]


def _draw_means(axes: Axes, rows: Sequence[Row], figures: Sequence[float]) -> None:
    """The line through the means over chips at each number of bits."""
    by_bits: dict[int, list[float]] = {}
    for row, figure in zip(rows, figures, strict=True):
        by_bits.setdefault(row["weight_bits"], []).append(figure)
    if by_bits:
        kind = rows[0]["execution"]
        axes.plot(
            [bits + _OFFSETS[kind] for bits in sorted(by_bits)],
            [sum(by_bits[bits]) / len(by_bits[bits]) for bits in sorted(by_bits)],
            color=_COLOURS[kind],
        )


def _finish(axes: Axes, rows: Sequence[Row]) -> None:
    bits = sorted({row["weight_bits"] for row in rows if row["weight_bits"] is not None})
    if bits:
        axes.set_xticks(bits)
        axes.set_xlim(bits[0] - 0.5, bits[-1] + 0.5)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("bits of a weight")
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
