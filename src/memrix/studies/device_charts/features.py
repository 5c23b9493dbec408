"""The chart of variability: distributions of the features of devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from memrix.device import DeviceParameters
from memrix.device.parameters import HRS
from memrix.studies.device_behavior import typical_device
from memrix.studies.device_charts.quantities import QUANTITIES, shown
from memrix.studies.device_charts.style import GRAY, SKY, VERMILLION, clean, logarithmic, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = 50
_MOST = (0.0005, 0.9995)  # quantiles between which an axis shows a feature


def draw_features(history: Tensor, parameters: DeviceParameters) -> Figure:
    """Distributions of the features ``[4, devices, cycles]``: in one typical device, and over devices."""
    _, devices, cycles = history.shape
    typical = typical_device(history)
    figure = new_figure((11, 7.6), "Variability from cycle to cycle and from device to device", parameters)
    for number, (axes, quantity) in enumerate(zip(figure.subplots(2, 2).flat, QUANTITIES, strict=True)):
        feature = history[number]
        means = feature.mean(dim=-1)
        low, high = _range(feature)
        for values, style in (
            (
                feature[typical],
                {"color": SKY, "fill": True, "alpha": 0.65, "label": f"one typical device, {cycles} cycles"},
            ),
            (feature, {"color": GRAY, "linewidth": 1.2, "label": "all cycles of all devices"}),
            (means, {"color": VERMILLION, "linewidth": 1.8, "label": f"{devices} devices, the mean of each"}),
        ):
            density, edges = _density(values, low, high)
            axes.stairs(density / quantity.factor, shown(edges, number), **style)
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
            logarithmic(axes, "x")
        axes.set_xlabel(quantity.label)
        axes.set_ylabel(f"probability density ({quantity.density})")
        # Room for the words above the highest peak.
        axes.margins(x=0, y=0.28)
        clean(axes)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _range(values: Tensor) -> tuple[float, float]:
    ordered = values[values.isfinite()].sort().values
    low, high = (float(ordered[round(share * (len(ordered) - 1))]) for share in _MOST)
    # A feature that does not vary still has a place on the axis.
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _density(values: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Share of the values in each bin over its width, and the edges of the bins."""
    counts, edges = torch.histogram(values.double().flatten(), _BINS, range=(low, high))
    return counts / values.numel() * (_BINS / (high - low)), edges
