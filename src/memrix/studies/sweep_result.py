"""The table of a sweep: a row for each trial, and what they say of each combination of settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memrix._support.tables import listed
from memrix.errors import SettingsError
from memrix.studies.estimates import Estimate
from memrix.studies.grid import described, short
from memrix.studies.rows import TrialRow, figure_cell, interval_cell, plain
from memrix.studies.trial_table import TrialTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Setting:
    """A combination of settings, and the metric over its chips."""

    settings: Mapping[str, Any]
    estimate: Estimate


@dataclass(frozen=True, eq=False)
class SweepResult(TrialTable):
    """What ``memrix.sweep`` has measured. Prints as a table with a row for each combination of settings."""

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

    def plot(self) -> Figure:
        """A chart: the metric over the first setting, a line for each combination of the others.

        Raises:
            MemrixError: matplotlib is not installed.
        """
        from memrix.studies.study_charts import draw_sweep

        return draw_sweep(self)

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
        return f"{text}\nfailed: {listed(self._failures)}" if self._failures else text
