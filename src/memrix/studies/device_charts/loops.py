"""The chart of current-voltage loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from memrix.device import CellCurrent, DeviceParameters
from memrix.studies.device_behavior import Loops
from memrix.studies.device_charts.style import BLACK, GRAY, PURPLE, VERMILLION, clean, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FIRST_CYCLE, _LAST_CYCLE = "#B5D9F2", "#00304C"  # shades of blue
PANELS = (2, 4)  # rows, columns


def draw_loops(loops: Loops, parameters: DeviceParameters) -> Figure:
    """One panel a device (eight at most), cycles from light to dark, and the currents of both extremes."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    cycles, _, devices = loops.current.shape
    rows, columns = PANELS
    figure = new_figure(
        (13, 6.6),
        f"Current-voltage loops of {min(devices, rows * columns)} devices over {cycles} cycles",
        parameters,
    )
    panels = figure.subplots(rows, columns, sharex=True, sharey=True).flat
    shades = LinearSegmentedColormap.from_list("cycles", [_FIRST_CYCLE, _LAST_CYCLE])
    numbers = Normalize(1, max(cycles, 2))
    microamperes = 1e6 * loops.current
    for number, axes in enumerate(panels):
        if number >= devices:
            axes.set_visible(False)
            continue
        for cycle in range(cycles):
            color = shades(numbers(cycle + 1))
            axes.plot(loops.voltage, microamperes[cycle, :, number], color=color, linewidth=1.1)
        _draw_extremes(axes, loops, parameters)
        axes.set_title(f"device {number + 1}", fontsize=10)
        clean(axes)
    first = figure.axes[0]
    # The extremes are no states that a cell is in: they may leave the picture.
    first.set_ylim(1.2 * float(microamperes.min()), 1.2 * float(microamperes.max()))
    _mark_directions(first, loops)
    first.locator_params(axis="x", nbins=6)
    for axes in figure.axes[max(min(devices, rows * columns) - columns, 0) : devices]:
        # The lowest panel of its column; of a few devices, it is not in the lowest row.
        axes.set_xlabel("voltage (V)")
        axes.tick_params(labelbottom=True)
    for axes in figure.axes[::columns]:
        axes.set_ylabel("current (µA)")
    handles, names = first.get_legend_handles_labels()
    figure.legend(
        handles,
        [f"{names[0]}, low-resistance extreme", f"{names[1]}, high-resistance extreme"],
        loc="outside lower center",
        ncols=2,
        frameon=False,
    )
    figure.colorbar(
        ScalarMappable(numbers, shades),
        ax=figure.axes,
        label="cycle",
        ticks=range(1, cycles + 1),
        aspect=40,
        pad=0.01,
    )
    return figure


def _draw_extremes(axes: Axes, loops: Loops, parameters: DeviceParameters) -> None:
    """Axes through 0, and the currents between which every cell's lies."""
    axes.axhline(0, color=GRAY, linewidth=0.6)
    axes.axvline(0, color=GRAY, linewidth=0.6)
    extremes = CellCurrent(parameters)
    across = torch.linspace(float(loops.voltage.min()), float(loops.voltage.max()), 201, dtype=torch.float64)
    low = extremes.low_resistance(across)
    high = low + extremes.slope(across)
    for current, color, name in ((low, VERMILLION, "$I_{LL}$"), (high, PURPLE, "$I_{HH}$")):
        axes.plot(across, 1e6 * current, "--", color=color, linewidth=1.3, label=name)


def _mark_directions(axes: Axes, loops: Loops) -> None:
    """Say in which direction the first device runs through its loop, and where it is set and reset."""
    volts, current = loops.voltage.tolist(), (1e6 * loops.current[-1, :, 0]).tolist()
    leg = len(volts) // 4
    for place in (0.3, 1.65, 2.35, 3.6):
        at = min(max(round(place * leg), 1), len(volts) - 2)
        axes.annotate(
            "",
            (volts[at + 1], current[at + 1]),
            (volts[at - 1], current[at - 1]),
            arrowprops={"arrowstyle": "-|>", "color": BLACK, "mutation_scale": 20, "shrinkA": 0, "shrinkB": 0},
        )
    # The current jumps where a cell is set: left of all cycles' jumps, nothing is in the way of the word.
    jumps = loops.current[:, : leg + 1, 0].diff(dim=1).abs().argmax(dim=1)
    axes.annotate(
        "SET",
        (volts[int(jumps.max()) + 1], 0.5 * min(current)),
        (-6, 0),
        textcoords="offset points",
        color=BLACK,
        ha="right",
        va="center",
    )
    axes.text(volts[3 * leg], 0.75 * max(current), "RESET", color=BLACK, ha="right")
