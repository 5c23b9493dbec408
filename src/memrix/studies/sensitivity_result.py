"""What layers cost on a chip, ranked: table, records and chart."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from memrix._support.notebooks import data_frame, html_table, html_text
from memrix._support.tables import columns, decibels, error_percent, markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class GroupSensitivity:
    """What one layer, or a group of layers, costs on a chip.

    Attributes:
        name: of the layer, or of the group.
        layers: that belong to it.
        alone: the metric with only these layers on the chip, of each chip.
        digital: the metric with only these layers exact, of each chip.
        cost_alone: how much worse ``alone`` is than the metric without a chip.
        gain_digital: how much better ``digital`` is than the metric with all layers on the chip.
        error_alone: error power of the outputs of the network as a share of their power, with only these layers on
            the chip; mean over the chips.
        error_digital: the same with only these layers exact.
        sqnr: of the outputs of these layers on exact inputs, in dB; None if no batch reaches them.
    """

    name: str
    layers: tuple[str, ...]
    alone: tuple[float, ...]
    digital: tuple[float, ...]
    cost_alone: tuple[float, ...]
    gain_digital: tuple[float, ...]
    error_alone: float
    error_digital: float
    sqnr: float | None

    @property
    def cost(self) -> float:
        """What these layers cost: mean of ``cost_alone`` and ``gain_digital``, over the chips."""
        return fmean(self.costs)

    @property
    def costs(self) -> tuple[float, ...]:
        """The same of each chip."""
        return tuple(map(fmean, zip(self.cost_alone, self.gain_digital, strict=True)))

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the cost from chip to chip; None of a single chip."""
        return stdev(self.costs) if len(self.costs) > 1 else None


@dataclass(frozen=True)
class Sensitivity:
    """Layers or groups of layers by what they cost on a chip, the most expensive first. Prints as a table.

    Attributes:
        metric: its name.
        higher_is_better: whether larger figures of it are better.
        reference: of the model without a chip.
        chip: with all layers on the chip, of each chip.
        error: error power of the outputs of the network as a share of their power, with all layers on the chip.
        groups: ranked.
    """

    metric: str
    higher_is_better: bool
    reference: float
    chip: tuple[float, ...]
    error: float
    groups: tuple[GroupSensitivity, ...]

    @property
    def worst(self) -> GroupSensitivity:
        """The layer or group that costs most."""
        return self.groups[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return {**asdict(self), "groups": self._records}

    def to_frame(self) -> Any:  # noqa: ANN401 - of pandas
        """A ``pandas.DataFrame`` with a row for each group and chip.

        Raises:
            MemrixError: pandas is not installed.
        """
        return data_frame(
            [
                {
                    "group": row.name,
                    "chip": chip,
                    "alone": row.alone[chip],
                    "digital": row.digital[chip],
                    "cost_alone": row.cost_alone[chip],
                    "gain_digital": row.gain_digital[chip],
                    "cost": row.costs[chip],
                    "error_alone": row.error_alone,
                    "error_digital": row.error_digital,
                    "sqnr": row.sqnr,
                }
                for row in self.groups
                for chip in range(len(row.alone))
            ],
            ("group", "chip", "cost"),
        )

    def to_markdown(self) -> str:
        """A table for a document."""
        head, *rows = self._rows
        return markdown(head, rows)

    def plot(self) -> Figure:
        """A ranked bar chart; takes matplotlib."""
        from memrix.studies.layer_charts import draw_sensitivity

        return draw_sensitivity(self)

    def __str__(self) -> str:
        return f"{self._said}\n\n{columns(self._rows)}"

    def _repr_html_(self) -> str:
        return html_text(self._said) + html_table(self._rows)

    @property
    def _records(self) -> list[dict[str, Any]]:
        return [{**asdict(row), "cost": row.cost, "deviation": row.deviation} for row in self.groups]

    @property
    def _said(self) -> str:
        many = f", mean of {len(self.chip)} chips" if len(self.chip) > 1 else ""
        return (
            f"{self.metric} {self.reference:.4g} without a chip, {fmean(self.chip):.4g} on the chip{many}; "
            f"{'larger' if self.higher_is_better else 'smaller'} is better"
        )

    @property
    def _rows(self) -> list[tuple[str, ...]]:
        head = ("layer", "cost", "only it on the chip", "only it digital", "error alone", "SQNR")
        return [
            head,
            *(
                (
                    row.name,
                    f"{row.cost:+.4g}" + ("" if row.deviation is None else f" ± {row.deviation:.2g}"),
                    f"{fmean(row.alone):.4g}",
                    f"{fmean(row.digital):.4g}",
                    error_percent(row.error_alone),
                    decibels(row.sqnr, "not reached"),
                )
                for row in self.groups
            ),
        ]
