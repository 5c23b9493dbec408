"""The chart of memory: how a cycle of a device follows from those before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from memrix.device import DeviceParameters
from memrix.device.parameters import HRS
from memrix.studies.device_behavior import autocorrelation, typical_device
from memrix.studies.device_charts.quantities import QUANTITIES, shown
from memrix.studies.device_charts.style import BLUE, GRAY, SKY, clean, logarithmic, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN_CYCLES = 200
_LAGS = 10


def draw_memory(history: Tensor, parameters: DeviceParameters) -> Figure:
    """Features ``[4, devices, cycles]`` of one device over its cycles, and the autocorrelation of all devices."""
    _, devices, cycles = history.shape
    figure = new_figure((13, 6.6), "Memory from cycle to cycle", parameters)
    panels = figure.subplots(2, len(QUANTITIES), sharex="row")
    typical = history[:, typical_device(history), :_SHOWN_CYCLES]
    for number, (axes, quantity) in enumerate(zip(panels[0], QUANTITIES, strict=True)):
        axes.plot(shown(typical[number], number), ".-", color=BLUE, linewidth=0.5, markersize=3)
        if number == HRS:
            logarithmic(axes, "y")
        axes.set_title(quantity.name, fontsize=11)
        axes.set_xlabel("cycle")
        axes.set_ylabel(quantity.label)
        clean(axes)
    lags = list(range(_LAGS + 1))
    lowest = -0.05
    for axes, feature in zip(panels[1], history, strict=True):
        correlations = autocorrelation(feature, _LAGS)
        low, high = correlations.nanquantile(torch.tensor([0.16, 0.84], dtype=torch.float64), dim=0)
        lowest = min(lowest, float(low.min()) - 0.05)
        axes.axhline(0, color=GRAY, linewidth=0.8)
        axes.fill_between(lags, low, high, color=SKY, alpha=0.4, linewidth=0, label="16 to 84 % of the devices")
        axes.plot(lags, correlations.nanmean(dim=0), "o-", color=BLUE, markersize=4.5, label="mean over devices")
        axes.set_xticks(lags[::2])
        axes.set_xlabel("cycles apart")
        clean(axes)
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
