"""The metric on several chips, and what these say of any other chip of the kind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memrix._support.notebooks import data_frame, html_table, html_text
from memrix._support.tables import columns, listed
from memrix.studies.estimates import Estimate
from memrix.studies.metric import Measured
from memrix.studies.rows import TrialRow, figure_cell, interval_cell, write_csv, write_parquet

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class MonteCarloResult:
    """What ``memrix.monte_carlo`` has measured. Prints as a table.

    Attributes:
        metric: its name.
        higher_is_better: whether larger figures are better; None: not known.
        rows: of all chips.
        digital: figures of the model without a chip.
        confidence: of intervals.
        reached: whether the interval over chips is as narrow as asked; None: nothing was asked.
    """

    metric: str
    higher_is_better: bool | None
    rows: tuple[TrialRow, ...]
    digital: Measured
    confidence: float = 0.95
    reached: bool | None = None

    @cached_property
    def estimate(self) -> Estimate:
        """Mean, deviation, quantiles and intervals."""
        measured = [row.measured for row in self.rows if row.measured is not None]
        return Estimate.of(measured, confidence=self.confidence, failed=len(self.rows) - len(measured))

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

    def records(self) -> list[dict[str, Any]]:
        """A row for each chip: chip, seed, the metric by its name, failure, seconds."""
        return [row.record(self.metric) for row in self.rows]

    def to_frame(self) -> Any:  # noqa: ANN401 - of pandas
        """A ``pandas.DataFrame`` with a row for each chip.

        Raises:
            MemrixError: pandas is not installed.
        """
        return data_frame(self.records())

    def to_csv(self, path: str | Path) -> None:
        """Write a row for each chip as CSV.

        Raises:
            DataError: the file cannot be written.
        """
        write_csv(path, self.records())

    def to_parquet(self, path: str | Path) -> None:
        """Write a row for each chip as Parquet.

        Raises:
            MemrixError: pyarrow is not installed.
            DataError: the file cannot be written.
        """
        write_parquet(path, self.records())

    def plot(self) -> Figure:
        """A chart: every chip, the mean with both intervals, and the model without a chip.

        Raises:
            MemrixError: matplotlib is not installed.
        """
        from memrix.studies.study_charts import draw_chips

        return draw_chips(self)

    def __str__(self) -> str:
        return f"{columns(self._table())}\n\n{self._said}"

    def _repr_html_(self) -> str:
        return f"{html_table(self._table())}\n{html_text(self._said)}"

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
        failures = list(dict.fromkeys(row.failure for row in self.rows if row.measured is None))
        if failures:
            lines.append(f"{found.failed} failed: {listed(failures)}")
        return "\n".join(lines)
