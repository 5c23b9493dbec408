"""The table of a sweep: a row for each trial, and what they say of each combination of settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memrix._support.notebooks import data_frame, html_table, html_text
from memrix._support.tables import columns, listed
from memrix.errors import SettingsError
from memrix.studies.estimates import Estimate
from memrix.studies.grid import described, short
from memrix.studies.metric import Measured
from memrix.studies.rows import TrialRow, figure_cell, interval_cell, plain, write_csv, write_parquet

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Setting:
    """A combination of settings, and the metric over its chips."""

    settings: Mapping[str, Any]
    estimate: Estimate


@dataclass(frozen=True, eq=False)
class SweepResult:
    """What ``memrix.sweep`` has measured. Prints as a table with a row for each combination of settings.

    Attributes:
        metric: its name.
        higher_is_better: whether larger figures are better; None: not known.
        rows: of all trials.
        digital: figures of the model without a chip.
        confidence: of intervals.
    """

    metric: str
    higher_is_better: bool | None
    rows: tuple[TrialRow, ...]
    digital: Measured
    confidence: float = 0.95

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Each combination of settings with mean, deviation, quantiles and intervals over its chips."""
        groups: dict[str, list[TrialRow]] = {}
        for row in self.rows:
            groups.setdefault(described(row.settings), []).append(row)
        return tuple(Setting(rows[0].settings, self._estimate(rows)) for rows in groups.values())

    @property
    def best(self) -> Setting:
        """The combination with the best mean.

        Raises:
            SettingsError: it is not known whether larger figures are better, or all trials have failed.
        """
        if self.higher_is_better is None:
            raise SettingsError(
                f"it is not known whether larger figures of the metric {self.metric!r} are better; say so: "
                f"memrix.Metric(function, higher_is_better=True)"
            )
        known = [(each.estimate.mean, each) for each in self.settings if each.estimate.mean is not None]
        if not known:
            raise SettingsError(f"all trials have failed; the first: {self.rows[0].failure}")
        return (max if self.higher_is_better else min)(known, key=lambda pair: pair[0])[1]

    @property
    def failed(self) -> tuple[TrialRow, ...]:
        """The trials that have no figure."""
        return tuple(row for row in self.rows if row.measured is None)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        settings = [{"settings": plain(each.settings), **each.estimate.to_dict()} for each in self.settings]
        return {
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "digital": self.digital.mean,
            "settings": settings,
            "trials": self.records(),
        }

    def records(self) -> list[dict[str, Any]]:
        """A row for each trial: settings, chip, seed, the metric by its name, failure, seconds."""
        return [row.record(self.metric) for row in self.rows]

    def to_frame(self) -> Any:  # noqa: ANN401 - of pandas
        """A ``pandas.DataFrame`` with a row for each trial.

        Raises:
            MemrixError: pandas is not installed.
        """
        return data_frame(self.records())

    def to_csv(self, path: str | Path) -> None:
        """Write a row for each trial as CSV.

        Raises:
            DataError: the file cannot be written.
        """
        write_csv(path, self.records())

    def to_parquet(self, path: str | Path) -> None:
        """Write a row for each trial as Parquet.

        Raises:
            MemrixError: pyarrow is not installed.
            DataError: the file cannot be written.
        """
        write_parquet(path, self.records())

    def plot(self) -> Figure:
        """A chart: the metric over the first setting, a line for each combination of the others.

        Raises:
            MemrixError: matplotlib is not installed.
        """
        from memrix.studies.study_charts import draw_sweep

        return draw_sweep(self)

    def __str__(self) -> str:
        return f"{columns(self._table())}\n\n{self._said}"

    def _repr_html_(self) -> str:
        return f"{html_table(self._table())}\n{html_text(self._said)}"

    def _estimate(self, rows: list[TrialRow]) -> Estimate:
        measured = [row.measured for row in rows if row.measured is not None]
        return Estimate.of(measured, confidence=self.confidence, failed=len(rows) - len(measured))

    def _table(self) -> list[tuple[str, ...]]:
        names = list(self.rows[0].settings)
        head = (*names, self.metric, f"{self.confidence:.0%} over chips", "and data", "deviation", "chips", "failed")
        lines = [
            (
                *(short(each.settings[name]) for name in names),
                figure_cell(each.estimate.mean),
                interval_cell(each.estimate.interval),
                interval_cell(each.estimate.data_interval),
                figure_cell(each.estimate.deviation),
                str(each.estimate.chips),
                str(each.estimate.failed or ""),
            )
            for each in self.settings
        ]
        return [head, *lines]

    @property
    def _said(self) -> str:
        text = f"{self.metric} without a chip: {figure_cell(self.digital.mean)}"
        errors = list(dict.fromkeys(row.failure for row in self.failed))
        return f"{text}\nfailed: {listed(errors)}" if errors else text
