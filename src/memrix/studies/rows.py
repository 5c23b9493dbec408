"""Rows of the tables of studies, and files of them."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memrix._support.documents import write_whole
from memrix._support.lazy import installed_version
from memrix._support.libraries import library
from memrix.errors import SettingsError
from memrix.studies.grid import short
from memrix.studies.metric import Measured
from memrix.studies.trials import Outcome, Trial

RESULTS = "results.json"
_COLUMNS = ("chip", "seed", "failure", "seconds")


@dataclass(frozen=True, eq=False)
class TrialRow:
    """A trial.

    Attributes:
        settings: that make it another than others, by dotted names.
        chip: number of the chip.
        seed: of the chip.
        measured: figures of the items; None: it has failed.
        failure: why it has failed.
        seconds: that it took, when it was run.
    """

    settings: Mapping[str, Any]
    chip: int
    seed: int
    measured: Measured | None
    failure: str
    seconds: float

    @classmethod
    def of(cls, trial: Trial, outcome: Outcome) -> TrialRow:
        """The row of a trial."""
        return cls(trial.settings, trial.chip, trial.seeds.chip, outcome.measured, outcome.error, outcome.seconds)

    @property
    def figure(self) -> float | None:
        """The metric; None: the trial has failed."""
        return None if self.measured is None else self.measured.mean

    def record(self, metric: str) -> dict[str, Any]:
        """Plain numbers and texts: settings, chip, seed, the metric by its name, failure, seconds."""
        values = (self.chip, self.seed, self.failure, self.seconds)
        chip, seed, failure, seconds = zip(_COLUMNS, values, strict=True)
        return {**plain(self.settings), **dict([chip, seed, (metric, self.figure), failure, seconds])}


def require_column(metric: str, settings: Sequence[str]) -> None:
    """Make sure that a metric can have a column of its own.

    Raises:
        SettingsError: another column has its name.
    """
    if metric in (*_COLUMNS, *settings):
        raise SettingsError(
            f"the metric is named {metric!r}, as another column of the table; give it another name: "
            f"memrix.Metric(function, name=...)"
        )


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as numbers and texts."""
    return {
        name: value if isinstance(value, (bool, int, float, str, type(None))) else short(value)
        for name, value in settings.items()
    }


def write_csv(path: str | Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write records as CSV, with a head; None is an empty cell, and numbers have all their digits.

    Raises:
        DataError: the file cannot be written.
    """
    names = dict.fromkeys(name for record in records for name in record)
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_whole(path, text.getvalue().encode())


def write_parquet(path: str | Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write records as Parquet; a column of values of several types, such as numbers and texts, holds texts.

    Raises:
        MemrixError: pyarrow is not installed.
        DataError: the file cannot be written.
    """
    remedy = "pip install 'memrix[cluster]', or use to_csv"
    pyarrow, parquet = (library(name, "Parquet takes", remedy) for name in ("pyarrow", "pyarrow.parquet"))
    content = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(_of_one_type(records)), content)
    write_whole(path, content.getvalue())


def write_table(folder: Path, result: Mapping[str, Any]) -> None:
    """Write a result as plain numbers into a folder: ``results.json``, and its trials as ``results.csv`` and, if
    pyarrow is installed, ``results.parquet``.
    """
    content = {**result, "memrix": installed_version("memrix")}
    write_whole(folder / RESULTS, f"{json.dumps(content, indent=2)}\n".encode())
    write_csv(folder / "results.csv", result["trials"])
    if importlib.util.find_spec("pyarrow") is not None:
        write_parquet(folder / "results.parquet", result["trials"])


def figure_cell(figure: float | None) -> str:
    """A figure with four digits; empty where there is none."""
    return "" if figure is None else f"{figure:.4g}"


def interval_cell(interval: tuple[float, float] | None) -> str:
    """An interval from its lower to its upper end."""
    return "" if interval is None else f"{figure_cell(interval[0])} to {figure_cell(interval[1])}"


def _of_one_type(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Records whose columns of several types hold texts."""
    kinds: dict[str, set[type]] = {}
    for record in records:
        for name, value in record.items():
            if value is not None:
                kinds.setdefault(name, set()).add(float if type(value) is int else type(value))
    mixed = {name for name, found in kinds.items() if len(found) > 1}
    return [
        {name: short(value) if name in mixed and value is not None else value for name, value in record.items()}
        for record in records
    ]
