"""The chart of programming protocols: currents of cells after each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from memrix.crossbar.protocols import PreCycled, ProgrammingProtocol, ResetRamp, ResetSet, WriteVerify
from memrix.device import DeviceParameters
from memrix.studies.device_charts.style import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILLION, clean, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHARE_STEP = 0.0025  # of histograms of currents, in shares of the ON current
_LARGEST_SHARE = 2.0
TEST_VOLTAGE = 0.2  # V, at which protocols read back


@dataclass(frozen=True)
class Level:
    """A target of cells, from 0 (OFF) to 1 (ON)."""

    level: float
    name: str
    color: str


ENDS = (Level(0.0, "OFF", BLUE), Level(1.0, "ON", VERMILLION))
LEVELS = (
    ENDS[0],
    Level(0.25, "25 %", SKY),
    Level(0.5, "50 %", GREEN),
    Level(0.75, "75 %", ORANGE),
    ENDS[1],
)
PROTOCOLS: dict[str, ProgrammingProtocol] = {
    "reset-set: +2 V on all cells, then −2 V on the ON cells": ResetSet(),
    "pre-cycled: 10 × 15 random pulses between −2 V and +2 V, then reset-set": PreCycled(10),
    "write-verify: reset-set; cells outside the tolerance are reset and set again, in 5 rounds": WriteVerify(),
    "reset ramp: SET, then pulses that rise by 10 mV until the current has fallen to one of five levels": ResetRamp(),
}


def levels_of(protocol: ProgrammingProtocol) -> tuple[Level, ...]:
    """Targets that the cells of a protocol are brought to."""
    return LEVELS if protocol.analog else ENDS


def draw_protocols(currents: Mapping[str, Tensor], parameters: DeviceParameters) -> Figure:
    """One panel a protocol: histograms of currents ``[levels, cells]`` in shares of a nominal ON cell's current.

    There are two levels, OFF and ON, or five from OFF to ON.
    """
    figure = new_figure((10.5, 9.5), "Cells after programming", parameters)
    panels = figure.subplots(len(currents), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    last = min(_LARGEST_SHARE, max(1.1, *(float(shares.max()) for shares in currents.values())))
    first = min(0.0, max(-_LARGEST_SHARE, *(float(shares.min()) for shares in currents.values())))
    bins = round((last - first) / _SHARE_STEP)
    most = 0.0
    for axes, (name, shares) in zip(panels, currents.items(), strict=True):
        levels = LEVELS if len(shares) == len(LEVELS) else ENDS
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
                color=BLACK,
                fontsize=10,
            )
        axes.set_title(name, fontsize=10.5, loc="left")
        axes.set_yscale("log")
        axes.set_ylabel("cells in a bin")
        clean(axes)
    # Room for the words above the highest peak.
    panels[0].set_ylim(0.7, 50 * most)
    panels[0].set_xlim(first, last)
    cells = next(iter(currents.values())).shape[1]
    panels[-1].set_xlabel(
        f"current at {TEST_VOLTAGE} V, in shares of that of a nominal ON cell of reset-set "
        f"({cells:,} cells at each level, bins of {_SHARE_STEP})",
    )
    return figure
