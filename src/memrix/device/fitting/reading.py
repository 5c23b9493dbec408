"""Reading measurements from a text file, with everything that is wrong with it listed at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from memrix._support.tables import listed
from memrix._support.validation import require_positive
from memrix.device.fitting.columns import Column, find_columns, holds_features, missing_columns
from memrix.device.fitting.delimited import Table, open_table
from memrix.device.fitting.layout import (
    COLUMNS,
    CURVE_COLUMNS,
    CYCLE_COLUMNS,
    FEATURE_COLUMNS,
    HIGH_CURVE,
    LOW_CURVE,
    UNITS,
)
from memrix.device.fitting.rows import Rows, at, is_empty, typed_rows
from memrix.errors import DataError

if TYPE_CHECKING:
    from memrix.device.fitting.cycles import Cycles
    from memrix.device.parameters import Array

_SIGNS = {"R_HRS": 1, "U_set": -1, "R_LRS": 1, "U_reset": 1}
_MOST = 0.9  # of the rows: so many of the other polarity are no slip of single rows
_MOST_PROBLEMS = 20
_MOST_CYCLES = 2**53
_LARGEST = {"ohm": 1e15, "V": 100.0, "A": 1e3}  # of any cell, and far from where squares overflow
_ALONE = {"device": "device", "cycle": 1}
_FLIPPED = ("U_set", "U_reset", "U", "I")


def read_cycles(
    path: str | Path,
    first: int | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    flip_polarity: bool = False,
    read_voltage: float = 0.2,
) -> Cycles:
    """Read switching cycles, or I-V loops from which they are extracted, from a text file.

    ``memrix.device.fitting.cycles`` describes the layout of cycles, ``memrix.device.fitting.loops`` that of
    loops; ``memrix.device.fitting.delimited`` says which text files are understood.

    Args:
        path: the file; its rows may have any order, but the points of a loop, which follow each other in time.
        first: how many cycles of each device count, from its earliest; all of them by default, and then every device
            must have the same number.
        columns: what columns of other names stand for: ``{"Vset (V)": "U_set"}``.
        flip_polarity: the devices SET at positive and RESET at negative voltages: change the sign of every voltage
            and current.
        read_voltage: in V, at which the resistances of loops are taken.

    Raises:
        DataError: the file cannot be read, or every problem of its columns, or every problem of its rows, by line.
        SettingsError: the read voltage is no number above 0.
    """
    table = open_table(path)
    where = f"{str(path)!r}, line {table.header_line}"
    found = find_columns(table.header, columns or {}, where)
    names = [column.name for column in found]
    if not holds_features(names) and {"U", "I"} <= set(names):
        return _loops(table, found, first, flip_polarity=flip_polarity, read_voltage=read_voltage)
    if set(COLUMNS) - set(names):
        raise missing_columns(table.header, names, COLUMNS, where)
    return _cycles(table, found, first, flip_polarity=flip_polarity)


def _cycles(table: Table, columns: list[Column], first: int | None, *, flip_polarity: bool) -> Cycles:
    problems: list[str] = []
    rows = typed_rows(table, columns)
    values = rows.values
    if flip_polarity:
        values[list(_FLIPPED)] *= -1
    filled = pd.DataFrame(
        {name: ~is_empty(values[name]) | values.index.isin(rows.wrong[name].index) for name in COLUMNS}
    )
    is_curve = filled[list(CURVE_COLUMNS)].any(axis=1)
    is_cycle = filled[list(CYCLE_COLUMNS)].any(axis=1)
    mixed = is_curve & is_cycle
    problems += at(values.index[mixed], "a row is a cycle or a point of a curve: empty the columns of the other")
    measured = _cycle_rows(rows, values.index[is_cycle & ~mixed], problems, flip_polarity=flip_polarity)
    curves = _curve_rows(rows, values.index[is_curve & ~mixed], problems)
    repeated = measured.duplicated(["device", "cycle"], keep="first")
    problems += at(measured.index[repeated], "device and cycle are those of an earlier line: keep one of them")
    require_no_gaps(measured, problems)
    series = {str(name): part.sort_values("cycle") for name, part in measured.groupby("device", sort=False)}
    require_equal_lengths({name: part["cycle"].nunique() for name, part in series.items()}, first, problems)
    if problems:
        raise unusable(table.path, problems)

    # torch, which the device model comes with, is only waited for once the file is known to be sound.
    from memrix.device.fitting.cycles import Cycles
    from memrix.device.parameters import HRS

    features = np.stack([part[list(FEATURE_COLUMNS)].to_numpy(np.float64)[:first] for part in series.values()])
    features[..., HRS] = np.log10(features[..., HRS])
    return Cycles(tuple(series), features, curves[LOW_CURVE], curves[HIGH_CURVE])


def _loops(
    table: Table, columns: list[Column], first: int | None, *, flip_polarity: bool, read_voltage: float
) -> Cycles:
    require_positive("read_voltage", read_voltage, "V")
    problems: list[str] = []
    rows = typed_rows(table, columns)
    points = rows.values
    if points.empty:
        problems.append("there is no point of a loop below the names of the columns")
    for column in columns:
        rows.empty(column.name, points.index, problems)
        rows.unreadable(column.name, points.index, problems)
        _require_possible(rows, column.name, points.index, problems)
    if "cycle" in points:
        problems += at(points.index[~_is_whole(points["cycle"])], f"{rows.headings['cycle']} must be a whole number")
    # One device, or one record of all its loops, needs no column that says so.
    points = points.assign(**{name: value for name, value in _ALONE.items() if name not in points})
    if not problems:
        require_no_gaps(points.drop_duplicates(["device", "cycle"]), problems)
    if problems:
        raise unusable(table.path, problems)
    if flip_polarity:
        points[["U", "I"]] *= -1

    from memrix.device.fitting.loops import extract_cycles

    return extract_cycles(points, table.path, first, read_voltage=read_voltage, flip_polarity=flip_polarity)


def _cycle_rows(rows: Rows, lines: pd.Index, problems: list[str], *, flip_polarity: bool) -> pd.DataFrame:
    """The rows that say which cycle they are."""
    if lines.empty:
        problems.append(f"there is no row of a cycle: one fills the columns {', '.join(CYCLE_COLUMNS)}")
    for name in CYCLE_COLUMNS:
        rows.empty(name, lines, problems)
    for name in CYCLE_COLUMNS[1:]:
        rows.unreadable(name, lines, problems)
    values = rows.values.loc[lines]
    whole = _is_whole(values["cycle"])
    problems += at(lines[~whole], f"{rows.headings['cycle']} must be a whole number")
    signs = dict(_SIGNS)
    other = (values["U_set"] > 0) & (values["U_reset"] < 0)
    if len(values) and other.mean() > _MOST:
        problems.append(polarity_problem(flip_polarity=flip_polarity))
        del signs["U_set"], signs["U_reset"]
    for name, sign in signs.items():
        side = "above" if sign > 0 else "below"
        problems += at(lines[values[name] * sign <= 0], f"{rows.headings[name]} must lie {side} 0 {UNITS[name]}")
    for name in FEATURE_COLUMNS:
        _require_possible(rows, name, lines, problems)
    # A row with a wrong feature stays, so that it is not reported a second time as a gap.
    return values[values["cycle"].notna() & whole & (values["device"] != "")].astype({"cycle": np.int64})


def _curve_rows(rows: Rows, lines: pd.Index, problems: list[str]) -> dict[str, Array]:
    """The points of each curve, ``[points, 2]``, without the rows that are wrong."""
    for name in CURVE_COLUMNS:
        rows.empty(name, lines, problems)
    for name in CURVE_COLUMNS[1:]:
        rows.unreadable(name, lines, problems)
        _require_possible(rows, name, lines, problems)
    values = rows.values.loc[lines]
    known = values["curve"].isin((LOW_CURVE, HIGH_CURVE, ""))
    problems += at(lines[~known], f"{rows.headings['curve']} must be {LOW_CURVE} or {HIGH_CURVE}")
    sound = values["U"].notna() & values["I"].notna()
    curves = {}
    for name in (LOW_CURVE, HIGH_CURVE):
        chosen = values["curve"] == name
        if not chosen.any():
            problems.append(f"there is no I-V curve {name}: its rows fill the columns {', '.join(CURVE_COLUMNS)}")
        curves[name] = values.loc[chosen & sound, ["U", "I"]].to_numpy(np.float64)
    return curves


def _is_whole(numbers: pd.Series) -> pd.Series:
    """Which numbers count something, NaN included: whole, and small enough for floats to tell neighbors apart."""
    return numbers.isna() | ((numbers % 1 == 0) & (numbers.abs() < _MOST_CYCLES))


def _require_possible(rows: Rows, name: str, lines: pd.Index, problems: list[str]) -> None:
    """Add an entry for the values of a column that no such cell has."""
    if name in UNITS:
        unit = UNITS[name]
        wrong = rows.values.loc[lines, name].abs() > _LARGEST[unit]
        problems += at(
            lines[wrong], f"{rows.headings[name]} lies beyond {_LARGEST[unit]:g} {unit}; is its unit right?"
        )


def polarity_problem(*, flip_polarity: bool) -> str:
    """That the devices have the other polarity, and what to do."""
    if flip_polarity:
        return "with --flip-polarity the devices SET at positive voltages: leave it out (flip_polarity=False)"
    return (
        "the devices SET at positive and RESET at negative voltages, and the model has it the other way round: give "
        "--flip-polarity (flip_polarity=True)"
    )


def unusable(path: Path, problems: list[str]) -> DataError:
    """The error that lists the problems of a file."""
    more = len(problems) - _MOST_PROBLEMS
    shown = [*problems[:_MOST_PROBLEMS], f"and {more} more"] if more > 0 else problems
    return DataError(f"the switching cycles in {str(path)!r} cannot be used:\n  " + "\n  ".join(shown))


def require_no_gaps(measured: pd.DataFrame, problems: list[str]) -> None:
    """Add an entry for the devices whose cycles do not follow each other."""
    gaps = []
    for name, cycles in measured.groupby("device", sort=False)["cycle"]:
        numbers = np.unique(cycles.to_numpy(np.int64))
        steps = np.flatnonzero(np.diff(numbers) > 1)
        if len(steps):
            after, before = numbers[steps[0]], numbers[steps[0] + 1]
            gaps.append(f"{name} (nothing between cycles {after} and {before})")
    if gaps:
        problems.append(
            f"cycles are missing in the middle of {listed(gaps)}: a cycle depends on those before it, so name the "
            "stretches before and after a gap as two devices, or leave one out"
        )


def require_equal_lengths(lengths: Mapping[str, int], first: int | None, problems: list[str]) -> None:
    """Add an entry for the devices that have fewer cycles than count, or than the others."""
    if first is not None:
        if first < 1:
            problems.append(f"the cycles of each device that count must be at least 1, got {first}")
        short = [f"{name} ({length})" for name, length in lengths.items() if length < first]
        if short:
            problems.append(
                f"the first {first} cycles of each device are to count, but fewer are there of {listed(short)}"
            )
    elif len(set(lengths.values())) > 1:
        least, most = min(lengths.values()), max(lengths.values())
        short = [f"{name} ({length})" for name, length in lengths.items() if length < most]
        problems.append(
            f"not all devices have {most} cycles, but fewer are there of {listed(short)}: leave these devices out, "
            f"or let the first {least} cycles of each device count"
        )
