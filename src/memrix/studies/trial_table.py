"""What the results of studies over trials share: a row for each trial, as records, frames and files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memrix._support.notebooks import data_frame, html_table, html_text
from memrix._support.tables import columns
from memrix.studies.estimates import Estimate
from memrix.studies.grid import described
from memrix.studies.metric import Measured
from memrix.studies.rows import TrialRow, write_csv, write_parquet


@dataclass(frozen=True, eq=False)
class TrialTable(ABC):
    """The trials of a study. Prints as a table.

    Attributes:
        metric: its name.
        higher_is_better: whether larger figures are better; None: not known.
        rows: of all trials.
        digital: figures of the model without a chip.
        confidence: of intervals.
        known: estimates by settings (``described``), where the figures of the items are not there any more.
    """

    metric: str
    higher_is_better: bool | None
    rows: tuple[TrialRow, ...]
    digital: Measured
    confidence: float = 0.95
    known: Mapping[str, Estimate] = field(default_factory=dict, kw_only=True)

    @property
    def failed(self) -> tuple[TrialRow, ...]:
        """The trials that have no figure."""
        return tuple(row for row in self.rows if row.measured is None)

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

    def __str__(self) -> str:
        return f"{columns(self._table())}\n\n{self._said}"

    def _repr_html_(self) -> str:
        return f"{html_table(self._table())}\n{html_text(self._said)}"

    def _estimate(self, rows: Sequence[TrialRow]) -> Estimate:
        """What some of the trials say of their chips."""
        if self.known:
            return self.known[described(rows[0].settings)]
        measured = [row.measured for row in rows if row.measured is not None]
        return Estimate.of(measured, confidence=self.confidence, failed=len(rows) - len(measured))

    @property
    def _failures(self) -> list[str]:
        """Why trials have failed, each reason once."""
        return list(dict.fromkeys(row.failure for row in self.failed))

    @abstractmethod
    def _table(self) -> list[tuple[str, ...]]:
        """Cells of the table that is printed, its head first."""

    @property
    @abstractmethod
    def _said(self) -> str:
        """What is printed below the table."""
