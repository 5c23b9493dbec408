"""Bits of the layers of a network, and chips of them beside uniform ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from memrix._support.notebooks import data_frame, html_table, html_text
from memrix._support.tables import columns, error_percent, markdown
from memrix.hardware import Hardware
from memrix.model.patterns import HardwareChoice
from memrix.studies.allocation_chips import MeasuredChips
from memrix.studies.estimates import t_interval
from memrix.studies.rows import interval_cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class LayerBits:
    """What a layer is given.

    Attributes:
        name: of the layer.
        bits: of its weights.
        cells: that hold them.
        error: error power of the outputs of the network with this layer alone on the chip, as a share of their power.
    """

    name: str
    bits: float
    cells: int
    error: float


@dataclass(frozen=True)
class Allocation:
    """Bits of each layer, and what they gain. Prints as tables.

    Attributes:
        metric: its name.
        higher_is_better: whether larger figures of it are better.
        reference: the metric without a chip.
        budget: ``cells``, ``energy`` or ``loss``.
        limit: of the budget: cells, J of one input, or the metric.
        layers: in the order of the model.
        hardware: the chip, for ``memrix.calibrate``, ``quantize`` and ``program``.
        allocated: chips of it.
        uniform: chips of the best uniform bits within the same budget, without and with the ADC split of each layer.
        given: chips of the hardware that was given.
    """

    metric: str
    higher_is_better: bool
    reference: float
    budget: str
    limit: float
    layers: tuple[LayerBits, ...]
    hardware: HardwareChoice
    allocated: MeasuredChips
    uniform: tuple[MeasuredChips, ...]
    given: MeasuredChips

    @property
    def bits(self) -> dict[str, float]:
        """Bits of weights by layer."""
        return {layer.name: layer.bits for layer in self.layers}

    def gain(self, other: MeasuredChips) -> tuple[float, tuple[float, float] | None]:
        """How much better the metric is than on other chips, and the interval of it over the chips.

        Chips of the same seed have the same cells, so that the difference is more certain than either mean. The
        interval is Student's t interval of 95 %; None of one chip.
        """
        sign = 1.0 if self.higher_is_better else -1.0
        pairs = zip(self.allocated.measured, other.measured, strict=True)
        gains = [sign * (own.mean - their.mean) for own, their in pairs]
        return sum(gains) / len(gains), t_interval(gains, _CONFIDENCE)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        plain = ("metric", "higher_is_better", "reference", "budget", "limit")
        return {
            **{name: getattr(self, name) for name in plain},
            "layers": [asdict(layer) for layer in self.layers],
            "hardware": _plain(self.hardware),
            "chips": [
                {
                    "name": chips.name,
                    "cells": chips.cells,
                    "energy": chips.energy,
                    "metric": [each.mean for each in chips.measured],
                    "estimate": chips.estimate.to_dict(),
                }
                for chips in self.chips
            ],
        }

    def to_frame(self) -> Any:  # noqa: ANN401 - of pandas
        """A ``pandas.DataFrame`` with a row for each layer.

        Raises:
            MemrixError: pandas is not installed.
        """
        return data_frame([asdict(layer) for layer in self.layers], ("name", "bits", "cells", "error"))

    def to_markdown(self) -> str:
        """The chips that were compared, as a table of a document."""
        head, *rows = self._chip_rows
        return markdown(head, rows)

    def plot(self) -> Figure:
        """Bits by layer, and the metric beside that of uniform bits; takes matplotlib."""
        from memrix.studies.layer_charts import draw_allocation

        return draw_allocation(self)

    def __str__(self) -> str:
        return "\n\n".join([columns(self._layer_rows), columns(self._chip_rows), self._said])

    def _repr_html_(self) -> str:
        return "\n".join([html_table(self._layer_rows), html_table(self._chip_rows), html_text(self._said)])

    @property
    def chips(self) -> Sequence[MeasuredChips]:
        """All chips that were compared, the allocated ones first."""
        same = any(each.measured == self.given.measured for each in self.uniform)
        return (self.allocated, *self.uniform, *([] if same else [self.given]))

    @property
    def _layer_rows(self) -> list[tuple[str, ...]]:
        head = ("layer", "bits", "cells", "error alone")
        rows = [
            (layer.name, f"{layer.bits:g}", f"{layer.cells:,}", error_percent(layer.error)) for layer in self.layers
        ]
        return [head, *rows]

    @property
    def _chip_rows(self) -> list[tuple[str, ...]]:
        energy = self.allocated.energy is not None
        costs = ["cells", *(["energy, J"] if energy else [])]
        head = ("chips", *costs, self.metric, "95 % interval", "allocated is better by")
        rows = []
        for chips in self.chips:
            gain = "" if chips is self.allocated else _with_interval(*self.gain(chips))
            cost = [f"{chips.energy:.4g}"] if energy else []
            rows.append(
                (
                    chips.name,
                    f"{chips.cells:,}",
                    *cost,
                    f"{chips.mean:.5g}",
                    interval_cell(chips.estimate.interval),
                    gain,
                )
            )
        return [head, *rows]

    @property
    def _said(self) -> str:
        better = "larger" if self.higher_is_better else "smaller"
        chips = len(self.allocated.measured)
        return f"{self.metric} {self.reference:.5g} without a chip; {better} is better; mean of {chips} chips"


def _with_interval(gain: float, interval: tuple[float, float] | None) -> str:
    return f"{gain:+.4g}" + ("" if interval is None else f" ({interval[0]:+.3g} to {interval[1]:+.3g})")


def _plain(hardware: HardwareChoice) -> dict[str, Any]:
    if isinstance(hardware, Hardware):
        return hardware.to_dict()
    return {name: None if chip is None else chip.to_dict() for name, chip in hardware.items()}
