"""Reading switching cycles from a CSV file, with everything that is wrong with it listed at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from memrix.characterization.cycles import (
    COLUMNS,
    CURVE_COLUMNS,
    CYCLE_COLUMNS,
    FEATURE_COLUMNS,
    HIGH_CURVE,
    LOW_CURVE,
    Cycles,
)
from memrix.device.parameters import HRS, Array
from memrix.errors import DataError
from memrix.records import closest

_SHOWN = 5
_FIRST_LINE = 2  # the header is line 1
_SIGNS = {"R_HRS": 1, "U_set": -1, "R_LRS": 1, "U_reset": 1}
_UNITS = {"R_HRS": "ohm", "U_set": "V", "R_LRS": "ohm", "U_reset": "V", "U": "V", "I": "A"}


def read_cycles(path: str | Path, first: int | None = None) -> Cycles:
    """Read a CSV file in the layout that ``memrix.characterization.cycles`` describes.

    Args:
        path: the file; its rows may have any order.
        first: how many cycles of each device count, from its earliest; all of them by default, and then every device
            must have the same number.

    Raises:
        DataError: the file cannot be read, or every problem of its columns, or every problem of its rows, by line.
    """
    table = _table(path)
    problems: list[str] = []
    table = table.apply(lambda column: column.str.strip())
    filled = table != ""
    is_curve = filled[list(CURVE_COLUMNS)].any(axis=1)
    is_cycle = filled[list(CYCLE_COLUMNS)].any(axis=1)
    mixed = is_curve & is_cycle
    problems += _at(table.index[mixed], "a row is a cycle or a point of a curve: empty the columns of the other")
    measured = _cycle_rows(table.loc[is_cycle & ~mixed], problems)
    curves = _curve_rows(table.loc[is_curve & ~mixed], problems)
    _require_no_gaps(measured, problems)
    series = {str(name): rows.sort_values("cycle") for name, rows in measured.groupby("device", sort=False)}
    _require_equal_lengths(series, first, problems)
    if problems:
        raise DataError(f"the switching cycles in {str(path)!r} cannot be used:\n  " + "\n  ".join(problems))
    features = np.stack([rows[list(FEATURE_COLUMNS)].to_numpy(np.float64)[:first] for rows in series.values()])
    features[..., HRS] = np.log10(features[..., HRS])
    return Cycles(tuple(series), features, curves[LOW_CURVE], curves[HIGH_CURVE])


def _table(path: str | Path) -> pd.DataFrame:
    """Every cell as text; the index is the number of the line."""
    try:
        # Blank lines are kept until the lines have been counted.
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read ({error.strerror or error}); name a CSV file") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{str(path)!r} is empty; it should hold the columns {', '.join(COLUMNS)}") from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise DataError(f"{str(path)!r} is not a table of values separated by commas: {reason}") from error
    table.columns = [str(name).strip() for name in table.columns]
    _require_columns(table, path)
    if not isinstance(table.index, pd.RangeIndex):
        raise DataError(f"the rows of {str(path)!r} hold more values than its first line names columns")
    table.index = pd.RangeIndex(_FIRST_LINE, _FIRST_LINE + len(table))
    return table.fillna("")


def _require_columns(table: pd.DataFrame, path: str | Path) -> None:
    found = list(table.columns)
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        spare = [name for name in found if name not in COLUMNS]
        lines = [f"there is no column {name!r}{closest(name, spare)}" for name in missing]
        if len(found) == 1 and (";" in found[0] or "\t" in found[0]):
            lines.append("separate the columns by commas, and write numbers with a point: 0.73")
        raise DataError(
            f"the columns of {str(path)!r} are {', '.join(found)}:\n  "
            + "\n  ".join(lines)
            + f"\n  the layout is {','.join(COLUMNS)}; `memrix device example` writes such a file"
        )
    repeated = sorted({name for name in COLUMNS if found.count(name) > 1 or f"{name}.1" in found})
    if repeated:
        raise DataError(f"{str(path)!r} has more than one column {', '.join(repeated)}; keep one of each")


def _cycle_rows(rows: pd.DataFrame, problems: list[str]) -> pd.DataFrame:
    """Device as text and the rest as numbers, of the rows that say which cycle they are."""
    if rows.empty:
        problems.append(f"there is no row of a cycle: one fills the columns {', '.join(CYCLE_COLUMNS)}")
    _require_filled(rows, CYCLE_COLUMNS, problems)
    result = rows[["device"]].copy()
    for name in CYCLE_COLUMNS[1:]:
        result[name] = _numbers(rows[name], problems)
    whole = result["cycle"].isna() | (result["cycle"] % 1 == 0)
    problems += _at(rows.index[~whole], "cycle must be a whole number")
    for name, sign in _SIGNS.items():
        wrong = result[name] * sign <= 0
        side = "above" if sign > 0 else "below"
        problems += _at(rows.index[wrong], f"{name} must lie {side} 0 {_UNITS[name]}")
    # A row with a wrong feature stays, so that it is not reported a second time as a gap.
    return result[result["cycle"].notna() & whole & (result["device"] != "")].astype({"cycle": np.int64})


def _curve_rows(rows: pd.DataFrame, problems: list[str]) -> dict[str, Array]:
    """The points of each curve, ``[points, 2]``, without the rows that are wrong."""
    _require_filled(rows, CURVE_COLUMNS, problems)
    voltage, current = (_numbers(rows[name], problems) for name in ("U", "I"))
    known = rows["curve"].isin((LOW_CURVE, HIGH_CURVE)) | (rows["curve"] == "")
    problems += _at(rows.index[~known], f"curve must be {LOW_CURVE} or {HIGH_CURVE}")
    sound = voltage.notna() & current.notna()
    curves: dict[str, Array] = {}
    for name in (LOW_CURVE, HIGH_CURVE):
        chosen = rows["curve"] == name
        if not chosen.any():
            problems.append(f"there is no I-V curve {name}: its rows fill the columns {', '.join(CURVE_COLUMNS)}")
        curves[name] = np.column_stack([voltage[chosen & sound], current[chosen & sound]]).astype(np.float64)
    return curves


def _require_filled(rows: pd.DataFrame, columns: tuple[str, ...], problems: list[str]) -> None:
    for name in columns:
        problems += _at(rows.index[rows[name] == ""], f"{name} is empty")


def _numbers(texts: pd.Series, problems: list[str]) -> pd.Series:
    """Finite numbers, and NaN with an entry in ``problems`` for every other text; an empty cell is NaN alone."""
    numbers = pd.to_numeric(texts, errors="coerce").astype(np.float64)
    numbers = numbers.where(np.isfinite(numbers))
    wrong = numbers.isna() & (texts != "")
    if wrong.any():
        example = texts[wrong].iloc[0]
        problems += _at(texts.index[wrong], f"{texts.name} must be a finite number, got {example!r}")
    return numbers


def _require_no_gaps(measured: pd.DataFrame, problems: list[str]) -> None:
    repeated = measured.duplicated(["device", "cycle"], keep="first")
    problems += _at(measured.index[repeated], "device and cycle are those of an earlier line: keep one of them")
    gaps = []
    for name, cycles in measured.groupby("device", sort=False)["cycle"]:
        numbers = np.unique(cycles.to_numpy())
        steps = np.flatnonzero(np.diff(numbers) > 1)
        if len(steps):
            after, before = numbers[steps[0]], numbers[steps[0] + 1]
            gaps.append(f"{name} (nothing between cycles {after} and {before})")
    if gaps:
        problems.append(
            f"cycles are missing in the middle of {_listed(gaps)}: a cycle depends on those before it, so name the "
            "stretches before and after a gap as two devices, or leave one out"
        )


def _require_equal_lengths(series: dict[str, pd.DataFrame], first: int | None, problems: list[str]) -> None:
    lengths = {name: rows["cycle"].nunique() for name, rows in series.items()}
    if first is not None:
        if first < 1:
            problems.append(f"the cycles of each device that count must be at least 1, got {first}")
        short = [f"{name} ({length})" for name, length in lengths.items() if length < first]
        if short:
            problems.append(
                f"the first {first} cycles of each device are to count, but fewer are there of {_listed(short)}"
            )
    elif len(set(lengths.values())) > 1:
        least, most = min(lengths.values()), max(lengths.values())
        short = [f"{name} ({length})" for name, length in lengths.items() if length < most]
        problems.append(
            f"not all devices have {most} cycles, but fewer are there of {_listed(short)}: leave these devices out, "
            f"or let the first {least} cycles of each device count"
        )


def _at(lines: Iterable[int], problem: str) -> list[str]:
    """One entry that names the first lines, or none."""
    numbers = [str(line) for line in lines]
    if not numbers:
        return []
    return [f"line{'s' if len(numbers) > 1 else ''} {_listed(numbers)}: {problem}"]


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
