"""What the charts of a device have in common: colors and axes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from memrix.device import DeviceParameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colors, as in the charts of evaluations.
GRAY, BLACK = "#777777", "#222222"
BLUE, SKY, GREEN, ORANGE, VERMILLION = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00"
PURPLE = "#CC79A7"


def new_figure(size: tuple[float, float], title: str, parameters: DeviceParameters) -> Figure:
    """An empty figure of so many inches, whose title names the device."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(f"{title} ({Path(parameters.source).name})", fontsize=13)
    return figure


def clean(axes: Axes) -> None:
    """A light grid, and no frame above and to the right."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def logarithmic(axes: Axes, direction: Literal["x", "y"]) -> None:
    """Let an axis be logarithmic, with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set(**{f"{direction}scale": "log"})
    axis = getattr(axes, f"{direction}axis")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
