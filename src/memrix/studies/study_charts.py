"""Charts of sweeps and of several chips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from memrix._support.libraries import library
from memrix.studies.device_charts.style import BLACK, BLUE, GRAY, GREEN, ORANGE, PURPLE, SKY, VERMILLION, clean
from memrix.studies.grid import described, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from memrix.studies.monte_carlo_result import MonteCarloResult
    from memrix.studies.sweep_result import Setting, SweepResult

COLORS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)
_MARKERS = "os^Dv<>P*X"
_SPREAD = 0.3  # of the distance of two values: lines beside each other, so that their bars can be seen


def draw_sweep(result: SweepResult) -> Figure:
    """The metric over the first setting that varies, with the intervals over chips, a line for each of the others.

    Raises:
        MemrixError: matplotlib is not installed.
    """
    over, ticks, lines = lines_of(result)
    figure, axes = _new_figure(wide=max(len(ticks), 4))
    for number, (label, line) in enumerate(lines.items()):
        _draw_line(axes, number, label or None, line)
    _draw_digital(axes, result.digital.mean)
    if over:
        axes.set(xlabel=over, xlim=(-0.5, len(ticks) - 0.5))
        axes.set_xticks(range(len(ticks)), ticks)
    axes.set(ylabel=result.metric)
    axes.set_title(title_of(result, over), fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def lines_of(result: SweepResult) -> tuple[str, list[str], dict[str, list[tuple[float, Setting]]]]:
    """The first setting that varies, its values, and a line for each combination of the others by what these are.

    The points of a line are at the numbers of the values, a little beside those of other lines. A sweep of nothing is
    over ``""``.
    """
    names = list(result.rows[0].settings)
    values = {name: list(dict.fromkeys(short(each.settings[name]) for each in result.settings)) for name in names}
    first, *others = [name for name in names if len(values[name]) > 1] or names[:1] or [""]
    lines: dict[str, list[Setting]] = {}
    for each in result.settings:
        if each.estimate.mean is not None:
            label = described({name: each.settings[name] for name in others}) if others else ""
            lines.setdefault(label, []).append(each)
    placed = {}
    for number, (label, line) in enumerate(lines.items()):
        shift = _SPREAD * ((number + 0.5) / len(lines) - 0.5)
        places = [values[first].index(short(each.settings[first])) + shift if first else 0.0 for each in line]
        placed[label] = list(zip(places, line, strict=True))
    return first, values.get(first, []), placed


def title_of(result: SweepResult, over: str) -> str:
    """What a chart of a sweep shows."""
    chips = max(each.estimate.chips for each in result.settings)
    bars = f"; bars: {result.confidence:.0%} intervals over {chips} chips" if chips > 1 else ""
    return f"{result.metric} over {over or 'chips'}{bars}"


def draw_chips(result: MonteCarloResult) -> Figure:
    """Every chip as a point, the mean with the intervals over chips and over chips and data, and the digital model.

    Raises:
        MemrixError: matplotlib is not installed.
    """
    figure, axes = _new_figure(wide=5)
    found = [(row.chip, row.figure) for row in result.rows if row.figure is not None]
    chips, figures = zip(*found, strict=True)
    intervals = (
        (result.data_interval, "over chips and data", SKY, 0.25),
        (result.interval, "over chips", BLUE, 0.35),
    )
    for interval, label, color, alpha in intervals:
        if interval is not None:
            axes.axhspan(*interval, color=color, alpha=alpha, lw=0, label=f"{result.confidence:.0%} interval {label}")
    if result.estimate.mean is not None:
        axes.axhline(result.estimate.mean, color=BLUE, label="mean")
    axes.plot(chips, figures, "o", color=BLACK, markersize=5, label="chip")
    _draw_digital(axes, result.digital.mean)
    axes.set(xlabel="chip", ylabel=result.metric)
    axes.locator_params("x", integer=True)
    axes.set_title(f"{result.metric} on {len(figures)} chips", fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _draw_line(axes: Axes, number: int, label: str | None, line: Sequence[tuple[float, Setting]]) -> None:
    places = [place for place, _ in line]
    means: list[Any] = [each.estimate.mean for _, each in line]
    color, marker = COLORS[number % len(COLORS)], _MARKERS[number // len(COLORS) % len(_MARKERS)]
    bars = [each.estimate.half_width or 0.0 for _, each in line]
    axes.errorbar(
        places, means, yerr=bars, capsize=3, linewidth=1.2, markersize=5, label=label, color=color, marker=marker
    )


def _draw_digital(axes: Axes, figure: float) -> None:
    axes.axhline(figure, color=GRAY, linestyle="--", linewidth=1.2, label="without a chip")


def _new_figure(wide: int) -> tuple[Figure, Axes]:
    figures = library("matplotlib.figure", "charts take", "pip install matplotlib")
    figure = figures.Figure(figsize=(min(3.5 + 0.8 * wide, 14), 4.0), layout="constrained")
    axes = figure.subplots()
    clean(axes)
    return figure, axes
