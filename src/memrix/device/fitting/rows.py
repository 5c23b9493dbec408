"""The rows of a table of measurements: their numbers and texts, and what is wrong with them, by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from memrix._support.tables import listed
from memrix.device.fitting.columns import Column
from memrix.device.fitting.layout import TEXT_COLUMNS

if TYPE_CHECKING:
    from memrix.device.fitting.delimited import Table

_LONGEST = 40  # characters of a text that a message shows


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a table by what their columns hold; the index are the numbers of the lines.

    Attributes:
        values: numbers in V, A and ohm, NaN where a cell is empty or wrong, and texts, ``""`` where it is empty.
        headings: what the file calls each column.
        wrong: by column, the texts that are neither empty nor numbers, with the lines as index.
    """

    values: pd.DataFrame
    headings: Mapping[str, str]
    wrong: Mapping[str, pd.Series]

    def empty(self, name: str, chosen: pd.Index, problems: list[str]) -> None:
        """Add an entry for the cells of a column that are empty in chosen lines."""
        values = self.values.loc[chosen, name]
        lines = chosen[is_empty(values)].difference(self.wrong[name].index)
        problems += at(lines, f"{self.headings[name]} is empty")

    def unreadable(self, name: str, chosen: pd.Index, problems: list[str]) -> None:
        """Add an entry for the cells of a column that are no finite numbers in chosen lines."""
        texts = self.wrong[name]
        texts = texts[texts.index.isin(chosen)]
        if len(texts):
            problems += at(
                texts.index, f"{self.headings[name]} must be a finite number, got {str(texts.iloc[0])[:_LONGEST]!r}"
            )


def typed_rows(table: Table, columns: Sequence[Column]) -> Rows:
    """The rows that are not empty.

    Raises:
        DataError: a row with more values than there are names.
    """
    frame = table.frame(column.number for column in columns if column.name in TEXT_COLUMNS)
    result, wrong = {}, {}
    for column in columns:
        values = frame[column.number]
        if column.name in TEXT_COLUMNS:
            result[column.name] = values.fillna("").astype(str).str.strip()
            wrong[column.name] = values[:0]
        else:
            result[column.name], wrong[column.name] = _numbers(values, column, table.decimal)
    typed = pd.DataFrame(result, index=frame.index)
    empty = pd.Series(True, index=typed.index)
    for column in columns:
        empty &= is_empty(typed[column.name]) & ~typed.index.isin(wrong[column.name].index)
    return Rows(typed[~empty], {column.name: column.heading for column in columns}, wrong)


def is_empty(values: pd.Series) -> pd.Series:
    """Which cells of a column of ``typed_rows`` hold nothing, or nothing that can be used."""
    return values == "" if values.name in TEXT_COLUMNS else values.isna()


def at(lines: Iterable[int], problem: str) -> list[str]:
    """One entry that names the first lines, or none."""
    numbers = [str(line) for line in lines]
    if not numbers:
        return []
    return [f"line{'s' if len(numbers) > 1 else ''} {listed(numbers)}: {problem}"]


def _numbers(values: pd.Series, column: Column, decimal: str) -> tuple[pd.Series, pd.Series]:
    """Finite numbers, times the factor of the unit, NaN for any other text, and those texts."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers, texts = values.astype(np.float64), values
    else:
        texts = values.astype(object).where(values.notna(), "").astype(str).str.strip()
        readable = texts.str.replace(decimal, ".", regex=False) if decimal != "." else texts
        numbers = pd.to_numeric(readable, errors="coerce").astype(np.float64)
    finite = pd.Series(np.isfinite(numbers), index=numbers.index)
    wrong = ~finite & values.notna() & (texts != "")
    return numbers.where(finite) * column.factor, texts[wrong]
