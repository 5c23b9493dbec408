"""``sneak`` on a CPU, compiled on first use, of one array: the same bits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from memrix._support.compilation import part_of_compiled
from memrix.device.parameters import Array

_ZERO, _ONE = np.float32(0), np.float32(1)


class Line(NamedTuple):
    """Resistances of a line.

    Attributes:
        end_ohms: between the first cell and the driver or sense amplifier.
        cell_ohms: from cell to cell.
        last: conductance from the last cell to the second driver, in S; 0: there is none.
    """

    end_ohms: np.float32
    cell_ohms: np.float32
    last: np.float32


@part_of_compiled
def _shares(cells: Array, line: Line, shares: Array) -> None:
    """Of the voltage before a resistance, what is left behind it, of a line of cells."""
    onward = line.last
    for k in range(cells.size - 1, -1, -1):
        seen = cells[k] + onward
        shares[k] = _ONE / (seen * (line.cell_ohms if k else line.end_ohms) + _ONE)
        onward = seen * shares[k]


@part_of_compiled
def _along(cells: Array, voltages: Array, line: Line) -> Array:
    """Voltages along the mean word line where its own currents flow into it again, over the mean conductance."""
    polarities, rows, columns = cells.shape
    conductances, arriving = np.zeros(polarities * columns, np.float32), np.zeros(polarities * columns, np.float32)
    sums, shares = np.empty((2, columns), np.float32), np.empty(polarities * columns, np.float32)
    conducting, driven, part = sums[0], sums[1], np.float32(1 / rows)
    for polarity in range(polarities):
        sums[:] = _ZERO
        for i in range(rows):
            cell, voltage = cells[polarity, i], voltages[polarity, i]
            for k in range(columns):
                conducting[k] += cell[k]
                driven[k] += voltage[k]
        for k in range(columns):
            conductances[polarities * k + polarity] = conducting[k] * part
            arriving[polarities * k + polarity] = driven[k] * part
    _shares(conductances, line, shares)
    coming, before = _ZERO, _ZERO
    for k in range(shares.size - 1, -1, -1):
        arriving[k] = conductances[k] * arriving[k] + coming
        coming = arriving[k] * shares[k]
    for k in range(shares.size):
        before = (arriving[k] * (line.cell_ohms if k else line.end_ohms) + before) * shares[k]
        arriving[k] = before
    return arriving


@part_of_compiled
def sneak(
    cells: Array, voltages: Array, currents: Array, of_rows: Array, word_line: Line, bit_line: Line, found: Array
) -> None:
    """As ``sneak.sneak_conductances``, of an array ``[polarities, rows, columns]`` whose columns take turns.

    ``of_rows``: mean conductance of the cells of each row.
    """
    polarities, rows, columns = cells.shape
    mean = _ZERO
    for i in range(rows):
        mean += of_rows[i]
    mean *= np.float32(1 / rows)
    along = _along(cells, voltages, word_line)
    shares, coming, factors = np.empty(rows, np.float32), np.empty(columns, np.float32), np.empty(columns, np.float32)
    _shares(of_rows[:rows], bit_line, shares)
    for polarity in range(polarities):
        for k in range(columns):
            factors[k] = along[polarities * k + polarity] / mean if mean > 0 else _ZERO
            coming[k] = _ZERO
        for i in range(rows - 1, -1, -1):
            cell, current, pushed = cells[polarity, i], currents[polarity, i], found[polarity, i]
            here, share = of_rows[i], shares[i]
            for k in range(columns):
                pushed[k] = cell[k] * current[k] * here + coming[k]
                coming[k] = pushed[k] * share
        for k in range(columns):
            coming[k] = _ZERO
        for i in range(rows):
            pushed, ohms, share = found[polarity, i], bit_line.cell_ohms if i else bit_line.end_ohms, shares[i]
            here = of_rows[i]
            for k in range(columns):
                coming[k] = (pushed[k] * ohms + coming[k]) * share
                pushed[k] = coming[k] * here * factors[k]
