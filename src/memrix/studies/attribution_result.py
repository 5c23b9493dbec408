"""Errors of layers and of a network by cause: tables, records and chart."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from memrix._support.notebooks import data_frame, html_table, html_text
from memrix._support.tables import columns, decibels, error_percent, explained, markdown
from memrix.studies.remedies import MeasuredRemedy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_TOLD = 2  # causes of a layer
_MOST_LAYERS = 20  # in a printed table
_NOTABLE = 5e-4  # of the error power: smaller shares would print as 0.0%


@dataclass(frozen=True)
class CauseShare:
    """What one cause does to the outputs of a layer, or of the network. All are 0 where the chip does not have it.

    Attributes:
        cause: its name, as in ``memrix study causes``.
        alone: error power that it brings about alone, as a share of the power of the outputs. Where it does not exist
            alone, what it adds to the causes that it requires.
        removed: how much error power goes with it when all other causes stay. Negative where causes make up for each
            other.
        cost_alone: the same of the metric, of a network: how much worse it is.
        gain_removed: how much better it becomes.
        in_orders: error power that it adds in random orders of the causes, mean; None where these were not measured.
    """

    cause: str
    alone: float
    removed: float
    cost_alone: float
    gain_removed: float
    in_orders: float | None = None

    @property
    def share(self) -> float:
        """The error power of this cause: the mean in random orders, or else the mean of ``alone`` and ``removed``."""
        return (self.alone + self.removed) / 2 if self.in_orders is None else self.in_orders

    @property
    def cost(self) -> float:
        """The same of the metric."""
        return (self.cost_alone + self.gain_removed) / 2


@dataclass(frozen=True)
class LayerCauses:
    """The error of a layer, or of the network, by cause.

    Attributes:
        name: of the layer; empty of the network.
        error: error power of the outputs as a share of their power: all causes together.
        causes: from the largest to the smallest; those that the chip does not have are 0.
    """

    name: str
    error: float
    causes: tuple[CauseShare, ...]

    @property
    def explained(self) -> float:
        """Share of the error power that the causes add up to; 1 where there is no error."""
        return sum(each.share for each in self.causes) / self.error if self.error else 1.0

    @property
    def residual(self) -> float:
        """Error power that the causes do not add up to: from three and more that act together."""
        return self.error - sum(each.share for each in self.causes)

    @property
    def interaction(self) -> float:
        """Error power beyond the sum of what each cause does alone; negative where causes make up for each other."""
        return self.error - sum(each.alone for each in self.causes)

    def of(self, cause: str) -> CauseShare:
        """What one cause does.

        Raises:
            KeyError: there is no such cause.
        """
        return {each.cause: each for each in self.causes}[cause]

    @property
    def sqnr(self) -> float:
        """Signal to error in dB; infinite without an error."""
        return -10 * math.log10(self.error) if self.error > 0 else math.inf


@dataclass(frozen=True)
class Attribution:
    """Errors by cause, and what to change first. Prints as tables.

    Attributes:
        metric: its name.
        higher_is_better: whether larger figures of it are better.
        reference: of the network without errors.
        chip: with all causes, of each chip.
        network: error of the outputs of the network.
        layers: error of the outputs of each layer for exact inputs, the largest first.
        remedies: changes of the hardware that were measured, the best first.
    """

    metric: str
    higher_is_better: bool
    reference: float
    chip: tuple[float, ...]
    network: LayerCauses
    layers: tuple[LayerCauses, ...]
    remedies: tuple[MeasuredRemedy, ...] = ()

    @property
    def recommendation(self) -> MeasuredRemedy | None:
        """What to change first: the measured remedy that gains most; None if none of them gains anything."""
        return self.remedies[0] if self.remedies and self.remedies[0].helps else None

    @property
    def advice(self) -> str:
        """What to change first, in a sentence; empty where no change was measured."""
        first = self.recommendation
        if first is None:
            return "None of the measured changes helps." if self.remedies else ""
        return f"Change first: {first.text}. {self.metric} {first.before:.4g} -> {first.after:.4g}."

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return {
            **{name: getattr(self, name) for name in ("metric", "higher_is_better", "reference", "chip")},
            "network": _record(self.network),
            "layers": [_record(layer) for layer in self.layers],
            "remedies": [each.to_dict() for each in self.remedies],
        }

    def to_frame(self) -> Any:  # noqa: ANN401 - of pandas
        """A ``pandas.DataFrame`` with a row for each layer and cause; the network is the layer ``""``.

        Raises:
            MemrixError: pandas is not installed.
        """
        return data_frame(
            [
                {"layer": layer.name, "error": layer.error, **asdict(each), "share": each.share}
                for layer in (self.network, *self.layers)
                for each in layer.causes
            ],
            ("layer", "cause", "share"),
        )

    def to_markdown(self) -> str:
        """The causes of the network's error as a table of a document."""
        head, *rows = self._cause_rows
        return markdown(head, rows)

    def plot(self) -> Figure:
        """Stacked bars by cause, of the network and each layer; takes matplotlib."""
        from memrix.studies.layer_charts import draw_attribution

        return draw_attribution(self)

    def __str__(self) -> str:
        tables = [columns(self._cause_rows), self._said_of_sum, explained(self._layer_rows)]
        advice = [explained(self._remedy_rows), self.advice] if self.remedies else []
        return "\n\n".join([self._said, *tables, *advice])

    def _repr_html_(self) -> str:
        tables = [html_table(self._cause_rows), html_text(self._said_of_sum), html_table(self._layer_rows)]
        advice = [html_table(self._remedy_rows), html_text(self.advice)] if self.remedies else []
        return "\n".join([html_text(self._said), *tables, *advice])

    @property
    def _said(self) -> str:
        many = f", mean of {len(self.chip)} chips" if len(self.chip) > 1 else ""
        return (
            f"{self.metric} {self.reference:.4g} without errors, {fmean(self.chip):.4g} on the chip{many}; "
            f"error power of the outputs: {error_percent(self.network.error)}"
        )

    @property
    def _said_of_sum(self) -> str:
        network = self.network
        return (
            f"The causes add up to {network.explained:.1%} of the error power, with a residual of "
            f"{error_percent(network.residual)}; acting together adds {error_percent(network.interaction)} to the "
            f"sum of each alone."
        )

    @property
    def _cause_rows(self) -> list[tuple[str, ...]]:
        head = ("cause", "share of the error", "alone", "removed", f"{self.metric}: cost alone", "gain if removed")
        return [
            head,
            *(
                (
                    each.cause,
                    _of_all(each.share, self.network.error),
                    error_percent(each.alone),
                    error_percent(each.removed),
                    f"{each.cost_alone:+.3g}",
                    f"{each.gain_removed:+.3g}",
                )
                for each in self.network.causes
                if abs(each.share) > _NOTABLE * self.network.error
            ),
        ]

    @property
    def _layer_rows(self) -> list[tuple[str, ...]]:
        head = ("layer", "error", "SQNR", "explained", "largest causes")
        left = len(self.layers) - _MOST_LAYERS
        more = [(f"and {left} with less error", *[""] * (len(head) - 1))] if left > 0 else []
        return [head, *(_layer_row(layer) for layer in self.layers[:_MOST_LAYERS]), *more]

    @property
    def _remedy_rows(self) -> list[tuple[str, ...]]:
        head = ("error power", f"{self.metric} before", "after", "cells", "change")
        return [head, *(each.row for each in self.remedies)]


def _layer_row(layer: LayerCauses) -> tuple[str, ...]:
    shares = ((each.cause, each.share / layer.error if layer.error else 0.0) for each in layer.causes[:_TOLD])
    largest = [f"{cause} {share:.0%}" for cause, share in shares if share > 0]
    return (
        layer.name,
        error_percent(layer.error),
        decibels(layer.sqnr, ""),
        f"{layer.explained:.1%}",
        ", ".join(largest),
    )


def _record(layer: LayerCauses) -> dict[str, Any]:
    return {
        "name": layer.name,
        "error": layer.error,
        "explained": layer.explained,
        "residual": layer.residual,
        "interaction": layer.interaction,
        "causes": [{**asdict(each), "share": each.share, "cost": each.cost} for each in layer.causes],
    }


def _of_all(share: float, error: float) -> str:
    return f"{share / error:.1%}" if error else "0 %"
