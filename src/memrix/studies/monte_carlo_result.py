"""The metric on several chips, and what these say of any other chip of the kind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from memrix._support.tables import listed
from memrix.studies.estimates import Estimate
from memrix.studies.rows import figure_cell, interval_cell
from memrix.studies.trial_table import TrialTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class MonteCarloResult(TrialTable):
    """What ``memrix.monte_carlo`` has measured. Prints as a table.

    Attributes:
        reached: whether the interval over chips is as narrow as asked; None: nothing was asked.
    """

    reached: bool | None = None

    @cached_property
    def estimate(self) -> Estimate:
        """Mean, deviation, quantiles and intervals."""
        return self._estimate(self.rows)

    @property
    def mean(self) -> float | None:
        """Of the metric over the chips."""
        return self.estimate.mean

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the mean over the chips, with the data given."""
        return self.estimate.interval

    @property
    def data_interval(self) -> tuple[float, float] | None:
        """Of the mean over chips and data."""
        return self.estimate.data_interval

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return {
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "digital": self.digital.mean,
            "reached": self.reached,
            **self.estimate.to_dict(),
            "trials": self.records(),
        }

    def plot(self) -> Figure:
        """A chart: every chip, the mean with both intervals, and the model without a chip.

        Raises:
            MemrixError: matplotlib is not installed.
        """
        from memrix.studies.study_charts import draw_chips

        return draw_chips(self)

    def _table(self) -> list[tuple[str, ...]]:
        found, percent = self.estimate, f"{self.confidence:.0%}"
        quantiles = [
            (f"{share:.0%} quantile of chips", figure_cell(value)) for share, value in found.quantiles.items()
        ]
        return [
            (self.metric, ""),
            ("mean", figure_cell(found.mean)),
            (f"{percent} interval over chips", interval_cell(found.interval)),
            (f"{percent} interval over chips and data", interval_cell(found.data_interval)),
            ("standard deviation of chips", figure_cell(found.deviation)),
            *quantiles,
            ("without a chip", figure_cell(self.digital.mean)),
        ]

    @property
    def _said(self) -> str:
        found = self.estimate
        lines = [f"{found.chips} chips" + (f", {found.items} items" if found.items else "")]
        if self.reached is False:
            lines.append("the interval over chips is not as narrow as asked; give more chips")
        if self._failures:
            lines.append(f"{found.failed} failed: {listed(self._failures)}")
        return "\n".join(lines)
