"""Charts of a device technology: its I-V loops, its variability, its protocols, its memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from memrix.crossbar.protocols import Cycled, ProgrammingProtocol, ResetRamp, ResetSet, WriteVerify
from memrix.device import CellCurrent, DeviceParameters
from memrix.device.parameters import HRS
from memrix.errors import DataError
from memrix.studies.device_behavior import (
    Loops,
    autocorrelation,
    current_voltage_loops,
    feature_history,
    protocol_currents,
    typical_device,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colors, as in the charts of evaluations.
_GRAY, _BLACK = "#777777", "#222222"
_BLUE, _SKY, _GREEN, _ORANGE, _VERMILLION = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00"
_PURPLE = "#CC79A7"
_FIRST_CYCLE, _LAST_CYCLE = "#B5D9F2", "#00304C"  # shades of blue

_LOOP_PANELS = (2, 4)  # rows, columns
_LOOP_CYCLES = 10
_DEVICES = 1000
_CYCLES = 1000
_BINS = 50
_MOST = (0.0005, 0.9995)  # quantiles between which an axis shows a feature
_SHOWN_CYCLES = 200
_LAGS = 10
_CELLS = 50_000
_SHARE_STEP = 0.0025  # of histograms of currents, in shares of the ON current
_LARGEST_SHARE = 2.0
_TEST_VOLTAGE = 0.2  # V, at which protocols read back

Progress = Callable[[str], None]


@dataclass(frozen=True)
class _Quantity:
    """How charts show a feature: its values times ``factor``, and their spread times ``spread_factor``."""

    name: str
    unit: str
    density: str
    spread: str
    factor: float = 1.0
    spread_factor: float = 1.0

    @property
    def label(self) -> str:
        return f"{self.name} ({self.unit})"


# In the order of FEATURES; the logarithm of the OFF resistance is shown on a logarithmic axis.
_QUANTITIES = (
    _Quantity("OFF resistance", "kΩ", "per decade", "{:.3f} decades"),
    _Quantity("SET voltage", "V", "per V", "{:.0f} mV", spread_factor=1e3),
    _Quantity("ON resistance", "kΩ", "per kΩ", "{:.0f} Ω", factor=1e-3),
    _Quantity("RESET voltage", "V", "per V", "{:.0f} mV", spread_factor=1e3),
)


@dataclass(frozen=True)
class _Level:
    """A target of cells, from 0 (OFF) to 1 (ON)."""

    level: float
    name: str
    color: str


_ENDS = (_Level(0.0, "OFF", _BLUE), _Level(1.0, "ON", _VERMILLION))
_LEVELS = (
    _ENDS[0],
    _Level(0.25, "25 %", _SKY),
    _Level(0.5, "50 %", _GREEN),
    _Level(0.75, "75 %", _ORANGE),
    _ENDS[1],
)
_PROTOCOLS: dict[str, ProgrammingProtocol] = {
    "reset-set: +2 V on all cells, then −2 V on the ON cells": ResetSet(),
    "cycled: 10 × 15 random pulses between −2 V and +2 V, then reset-set": Cycled(10),
    "write-verify: reset-set; cells outside the tolerance are reset and set again, in 5 rounds": WriteVerify(),
    "reset ramp: SET, then pulses that rise by 10 mV until the current has fallen to one of five levels": ResetRamp(),
}


def draw_device(
    parameters: DeviceParameters, folder: Path, *, seed: int = 0, progress: Progress | None = None
) -> list[Path]:
    """Draw what a device technology is, in four charts; takes about ten seconds.

    Args:
        parameters: the device technology.
        folder: for ``iv_loops.png``, ``features.png``, ``protocols.png`` and ``memory.png``; made if it is missing.
        seed: of devices and cycles.
        progress: called with what is done next.

    Returns:
        The files that were written.

    Raises:
        DataError: a file cannot be written.
        SettingsError: the seed is not an integer from 0.
    """
    tell = progress or (lambda name: None)
    tell("sweeping devices")
    rows, columns = _LOOP_PANELS
    loops = current_voltage_loops(parameters, rows * columns, _LOOP_CYCLES, seed=seed)
    paths = [_save(draw_loops(loops, parameters), folder / "iv_loops.png")]
    tell("switching devices back and forth")
    history = feature_history(parameters, _DEVICES, _CYCLES, seed=seed)
    paths.append(_save(draw_features(history, parameters), folder / "features.png"))
    currents = {}
    for name, protocol in _PROTOCOLS.items():
        tell(f"programming by {protocol.name}")
        currents[name] = protocol_currents(
            protocol,
            parameters,
            _CELLS,
            levels=[level.level for level in _levels_of(protocol)],
            voltage=_TEST_VOLTAGE,
            seed=seed,
        )
    paths.append(_save(draw_protocols(currents, parameters), folder / "protocols.png"))
    tell("correlating cycles")
    paths.append(_save(draw_memory(history, parameters), folder / "memory.png"))
    return paths


def _levels_of(protocol: ProgrammingProtocol) -> tuple[_Level, ...]:
    return _LEVELS if protocol.analog else _ENDS


def draw_loops(loops: Loops, parameters: DeviceParameters) -> Figure:
    """One panel a device (eight at most), cycles from light to dark, and the currents of both extremes."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    cycles, _, devices = loops.current.shape
    rows, columns = _LOOP_PANELS
    figure = _figure(
        (13, 6.6),
        f"Current-voltage loops of {min(devices, rows * columns)} devices over {cycles} cycles",
        parameters,
    )
    panels = figure.subplots(rows, columns, sharex=True, sharey=True).flat
    shades = LinearSegmentedColormap.from_list("cycles", [_FIRST_CYCLE, _LAST_CYCLE])
    numbers = Normalize(1, max(cycles, 2))
    volts = loops.voltage
    extremes = CellCurrent(parameters)
    across = torch.linspace(float(volts.min()), float(volts.max()), 201, dtype=torch.float64)
    low = extremes.low_resistance(across)
    high = low + extremes.slope(across)
    microamperes = 1e6 * loops.current
    for number, axes in enumerate(panels):
        if number >= devices:
            axes.set_visible(False)
            continue
        axes.axhline(0, color=_GRAY, linewidth=0.6)
        axes.axvline(0, color=_GRAY, linewidth=0.6)
        for cycle in range(cycles):
            axes.plot(volts, microamperes[cycle, :, number], color=shades(numbers(cycle + 1)), linewidth=1.1)
        for current, color, name in ((low, _VERMILLION, "$I_{LL}$"), (high, _PURPLE, "$I_{HH}$")):
            axes.plot(across, 1e6 * current, "--", color=color, linewidth=1.3, label=name)
        axes.set_title(f"device {number + 1}", fontsize=10)
        _clean(axes)
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
            arrowprops={"arrowstyle": "-|>", "color": _BLACK, "mutation_scale": 20, "shrinkA": 0, "shrinkB": 0},
        )
    # The current jumps where a cell is set: left of all cycles' jumps, nothing is in the way of the word.
    jumps = loops.current[:, : leg + 1, 0].diff(dim=1).abs().argmax(dim=1)
    axes.annotate(
        "SET",
        (volts[int(jumps.max()) + 1], 0.5 * min(current)),
        (-6, 0),
        textcoords="offset points",
        color=_BLACK,
        ha="right",
        va="center",
    )
    axes.text(volts[3 * leg], 0.75 * max(current), "RESET", color=_BLACK, ha="right")


def draw_features(history: Tensor, parameters: DeviceParameters) -> Figure:
    """Distributions of the features ``[4, devices, cycles]``: in one typical device, and over devices."""
    _, devices, cycles = history.shape
    typical = typical_device(history)
    figure = _figure((11, 7.6), "Variability from cycle to cycle and from device to device", parameters)
    for number, (axes, quantity) in enumerate(zip(figure.subplots(2, 2).flat, _QUANTITIES, strict=True)):
        feature = history[number]
        means = feature.mean(dim=-1)
        low, high = _range(feature)
        for values, style in (
            (
                feature[typical],
                {"color": _SKY, "fill": True, "alpha": 0.65, "label": f"one typical device, {cycles} cycles"},
            ),
            (feature, {"color": _GRAY, "linewidth": 1.2, "label": "all cycles of all devices"}),
            (means, {"color": _VERMILLION, "linewidth": 1.8, "label": f"{devices} devices, the mean of each"}),
        ):
            density, edges = _density(values, low, high)
            axes.stairs(density / quantity.factor, _shown(edges, number), **style)
        spreads = (feature.var(dim=-1).mean().sqrt(), means.std())
        written = [quantity.spread.format(quantity.spread_factor * float(spread)) for spread in spreads]
        # Where the longer tail leaves room.
        right = float(feature.median()) < (low + high) / 2
        axes.text(
            0.98 if right else 0.02,
            0.96,
            f"σ from cycle to cycle {written[0]}\nσ from device to device {written[1]}",
            transform=axes.transAxes,
            ha="right" if right else "left",
            va="top",
            fontsize=10,
        )
        if number == HRS:
            _logarithmic(axes, "x")
        axes.set_xlabel(quantity.label)
        axes.set_ylabel(f"probability density ({quantity.density})")
        # Room for the words above the highest peak.
        axes.margins(x=0, y=0.28)
        _clean(axes)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _shown(values: Tensor, feature: int) -> Tensor:
    """Values of a feature as its axis shows them."""
    return 10**values / 1e3 if feature == HRS else values * _QUANTITIES[feature].factor


def _logarithmic(axes: Axes, direction: Literal["x", "y"]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set(**{f"{direction}scale": "log"})
    axis = getattr(axes, f"{direction}axis")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def _range(values: Tensor) -> tuple[float, float]:
    ordered = values[values.isfinite()].sort().values
    low, high = (float(ordered[round(share * (len(ordered) - 1))]) for share in _MOST)
    # A feature that does not vary still has a place on the axis.
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _density(values: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Share of the values in each bin over its width, and the edges of the bins."""
    counts, edges = torch.histogram(values.double().flatten(), _BINS, range=(low, high))
    return counts / values.numel() * (_BINS / (high - low)), edges


def draw_protocols(currents: Mapping[str, Tensor], parameters: DeviceParameters) -> Figure:
    """One panel a protocol: histograms of currents ``[levels, cells]`` in shares of a nominal ON cell's current.

    There are two levels, OFF and ON, or five from OFF to ON.
    """
    figure = _figure((10.5, 9.5), "Cells after programming", parameters)
    panels = figure.subplots(len(currents), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    last = min(_LARGEST_SHARE, max(1.1, *(float(shares.max()) for shares in currents.values())))
    first = min(0.0, max(-_LARGEST_SHARE, *(float(shares.min()) for shares in currents.values())))
    bins = round((last - first) / _SHARE_STEP)
    most = 0.0
    for axes, (name, shares) in zip(panels, currents.items(), strict=True):
        levels = _LEVELS if len(shares) == len(_LEVELS) else _ENDS
        for level, cells in zip(levels, shares, strict=True):
            counts, edges = torch.histogram(cells, bins, range=(first, last))
            most = max(most, float(counts.max()))
            axes.stairs(counts, edges, fill=True, color=level.color, alpha=0.35)
            axes.stairs(counts, edges, color=level.color, linewidth=1.1)
            axes.annotate(
                f"{level.name}\nσ = {float(cells.std()):.3f}",
                (float(cells.median()), float(counts.max())),
                (0, 4),
                textcoords="offset points",
                ha="center",
                color=_BLACK,
                fontsize=10,
            )
        axes.set_title(name, fontsize=10.5, loc="left")
        axes.set_yscale("log")
        axes.set_ylabel("cells in a bin")
        _clean(axes)
    # Room for the words above the highest peak.
    panels[0].set_ylim(0.7, 50 * most)
    panels[0].set_xlim(first, last)
    cells = next(iter(currents.values())).shape[1]
    panels[-1].set_xlabel(
        f"current at {_TEST_VOLTAGE} V, in shares of that of a nominal ON cell of reset-set "
        f"({cells:,} cells at each level, bins of {_SHARE_STEP})",
    )
    return figure


def draw_memory(history: Tensor, parameters: DeviceParameters) -> Figure:
    """Features ``[4, devices, cycles]`` of one device over its cycles, and the autocorrelation of all devices."""
    _, devices, cycles = history.shape
    figure = _figure((13, 6.6), "Memory from cycle to cycle", parameters)
    panels = figure.subplots(2, len(_QUANTITIES), sharex="row")
    typical = history[:, typical_device(history), :_SHOWN_CYCLES]
    for number, (axes, quantity) in enumerate(zip(panels[0], _QUANTITIES, strict=True)):
        axes.plot(_shown(typical[number], number), ".-", color=_BLUE, linewidth=0.5, markersize=3)
        if number == HRS:
            _logarithmic(axes, "y")
        axes.set_title(quantity.name, fontsize=11)
        axes.set_xlabel("cycle")
        axes.set_ylabel(quantity.label)
        _clean(axes)
    lags = list(range(_LAGS + 1))
    lowest = -0.05
    for axes, feature in zip(panels[1], history, strict=True):
        correlations = autocorrelation(feature, _LAGS)
        low, high = correlations.nanquantile(torch.tensor([0.16, 0.84], dtype=torch.float64), dim=0)
        lowest = min(lowest, float(low.min()) - 0.05)
        axes.axhline(0, color=_GRAY, linewidth=0.8)
        axes.fill_between(lags, low, high, color=_SKY, alpha=0.4, linewidth=0, label="16 to 84 % of the devices")
        axes.plot(lags, correlations.nanmean(dim=0), "o-", color=_BLUE, markersize=4.5, label="mean over devices")
        axes.set_xticks(lags[::2])
        axes.set_xlabel("cycles apart")
        _clean(axes)
    for axes in panels[1]:
        axes.set_ylim(lowest, 1.03)
    panels[1, 0].set_ylabel("autocorrelation")
    panels[1, 0].legend(frameon=False, loc="upper right")
    figure.supxlabel(
        f"Above: one typical device. Below: {devices} devices, {cycles} cycles each; the mean of each device over "
        "its cycles is subtracted. The OFF resistance enters as its logarithm.",
        fontsize=10,
    )
    return figure


def _figure(size: tuple[float, float], title: str, parameters: DeviceParameters) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(f"{title} ({Path(parameters.source).name})", fontsize=13)
    return figure


def _clean(axes: Axes) -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise DataError(
            f"the chart {path} cannot be written ({error.strerror or error}); name another folder"
        ) from error
    return path
