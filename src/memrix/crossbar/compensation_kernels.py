"""``compensation`` on a CPU, compiled on first use, an array at a time: the same bits as in tensor operations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from memrix._support.compilation import compiled, part_of_compiled
from memrix.crossbar.sneak_kernels import Line
from memrix.crossbar.wire_kernels import LINES_TOGETHER, solve
from memrix.device.parameters import Array

_ZERO, _ONE, _INFINITE = np.float32(0), np.float32(1), np.float32(np.inf)
_POLARITIES = 2


class Cells(NamedTuple):
    """Arrays of cells ``[planes, polarities, groups, inputs, outputs]``, and their range.

    Attributes:
        rows: of the arrays; the last of a group may have fewer.
        columns: likewise; the last of a plane may have fewer.
        ends: ohms from the sense amplifier to the first cell of a bit line, of each part of an array that is read at
            once: tiles of a group take turns.
        interleaved: whether columns of both polarities lie in one array.
        off: the lowest conductance, in S.
        on: the highest.
        window: between them.
        further: of the change of a share, what is added to it: 1 for where a round leads.
    """

    rows: int
    columns: int
    ends: Array
    interleaved: bool
    off: np.float32
    on: np.float32
    window: np.float32
    further: np.float32


@part_of_compiled
def _conductances(wanted: Array, counts: Array, wide: Array, of: Cells, cells: Array) -> None:
    """Cells of an array of which as much counts as is wanted, ``[2, rows, columns]``."""
    for k in range(cells.shape[1]):
        wanted0, wanted1, counts0, counts1 = wanted[0, k], wanted[1, k], counts[0, k], counts[1, k]
        cell0, cell1 = cells[0, k], cells[1, k]
        for i in range(wide.size):
            least = max(counts0[i], counts1[i]) * of.off
            cell0[i] = min((wanted0[i] * wide[i] + least) / counts0[i], of.on)
            cell1[i] = min((wanted1[i] * wide[i] + least) / counts1[i], of.on)


@part_of_compiled
def _count(
    wanted: Array, counts: Array, factors: tuple[Array, Array, Array, Array], of: Cells, room: Array, moved: Array
) -> None:
    """What counts of the cells of an array, with the room of its columns, and the largest changes."""
    cells, voltages, currents, added = factors
    room[:] = _INFINITE
    moved[:] = _ZERO
    for k in range(cells.shape[1]):
        wanted0, wanted1, counts0, counts1 = wanted[0, k], wanted[1, k], counts[0, k], counts[1, k]
        cell0, cell1, v0, v1 = cells[0, k], cells[1, k], voltages[0, k], voltages[1, k]
        c0, c1, added0, added1 = currents[0, k], currents[1, k], added[0, k], added[1, k]
        for i in range(room.size):
            arriving0, arriving1 = v0[i] * c0[i] + added0[i] / cell0[i], v1[i] * c1[i] + added1[i] / cell1[i]
            change0, change1 = arriving0 - counts0[i], arriving1 - counts1[i]
            moved[i] = max(moved[i], max(abs(change0 / arriving0), abs(change1 / arriving1)))
            here0, here1 = change0 * of.further + counts0[i], change1 * of.further + counts1[i]
            counts0[i], counts1[i] = here0, here1
            least = max(here0, here1) * of.off
            room0 = (here0 * of.on - least) / (wanted0[i] * of.window) if wanted0[i] > _ZERO else _INFINITE
            room1 = (here1 * of.on - least) / (wanted1[i] * of.window) if wanted1[i] > _ZERO else _INFINITE
            room[i] = min(room[i], min(room0, room1))


@compiled
def settle(
    wanted: Array,
    counts: Array,
    scale: Array,
    of: Cells,
    word_line: Line,
    bit_line: Line,
    first: int,
    last: int,
    rooms: Array,
) -> float:
    """One round of arrays ``first`` to ``last - 1``: what counts of the cells that follow from what counted before.

    Args:
        wanted: levels without wires, ``[planes, polarities, groups, inputs, outputs]``.
        counts: share of each cell's current that counts, likewise; overwritten.
        scale: of the outputs, ``[groups, outputs]``.
        of: the arrays, which are numbered group by group, row tile by row tile, plane by plane.
        word_line: of the arrays.
        bit_line: likewise; its end is that of ``of``.
        first: array.
        last: array, and one more.
        rooms: takes the largest scales that leave cells within their range, ``[groups, row tiles, planes, outputs]``.

    Returns:
        By how much of itself a share changed, at most.
    """
    planes, _, _, inputs, outputs = wanted.shape
    size = _POLARITIES * min(of.rows, inputs) * min(of.columns, outputs)
    work = np.empty((4, size), np.float32)
    room = np.zeros((4, max(2, _POLARITIES * min(of.columns, outputs)), LINES_TOGETHER), np.float32)
    means, row = np.empty(min(of.rows, inputs), np.float32), np.empty((2, min(of.columns, outputs)), np.float32)
    parts, row_tiles = -(-outputs // of.columns), -(-inputs // of.rows)
    worst = _ZERO
    for array in range(first, last):
        tile, of_tile = array // (planes * parts), array % (planes * parts)
        plane, part = of_tile // parts, of_tile % parts
        group, row_tile = tile // row_tiles, tile % row_tiles
        top, left = row_tile * of.rows, part * of.columns
        bottom, right = min(top + of.rows, inputs), min(left + of.columns, outputs)
        shape = (_POLARITIES, bottom - top, right - left)
        count = _POLARITIES * (bottom - top) * (right - left)
        cells, voltages = work[0][:count].reshape(shape), work[1][:count].reshape(shape)
        currents, added = work[2][:count].reshape(shape), work[3][:count].reshape(shape)
        here, counted = (
            wanted[plane, :, group, top:bottom, left:right],
            counts[plane, :, group, top:bottom, left:right],
        )
        wide, moved = row[0][: right - left], row[1][: right - left]
        for i in range(right - left):
            wide[i] = scale[group, left + i] * of.window
        _conductances(here, counted, wide, of, cells)
        own = Line(of.ends[row_tile % of.ends.size], bit_line.cell_ohms, bit_line.last)
        factors = cells, voltages, currents, added
        solve(factors, of.interleaved, word_line, own, room, means)
        _count(here, counted, factors, of, rooms[group, row_tile, plane, left:right], moved)
        for i in range(right - left):
            worst = max(worst, moved[i])
    return np.float64(worst)


@compiled
def levels(wanted: Array, counts: Array, scale: Array, of: Cells, first: int, last: int) -> None:
    """Levels from 0 to 1 in place of what was wanted, of rows ``first`` to ``last - 1`` of all planes and groups.

    Args:
        wanted: as for ``settle``.
        counts: likewise.
        scale: likewise.
        of: likewise.
        first: row.
        last: row, and one more.
    """
    _, _, groups, inputs, outputs = wanted.shape
    wide = np.empty(outputs, np.float32)
    for row in range(first, last):
        plane, of_plane = row // (groups * inputs), row % (groups * inputs)
        group, k = of_plane // inputs, of_plane % inputs
        wanted0, wanted1 = wanted[plane, 0, group, k], wanted[plane, 1, group, k]
        counts0, counts1 = counts[plane, 0, group, k], counts[plane, 1, group, k]
        for i in range(outputs):
            wide[i] = scale[group, i] * of.window
        for i in range(outputs):
            least = max(counts0[i], counts1[i]) * of.off
            level0 = (min((wanted0[i] * wide[i] + least) / counts0[i], of.on) - of.off) / of.window
            level1 = (min((wanted1[i] * wide[i] + least) / counts1[i], of.on) - of.off) / of.window
            wanted0[i], wanted1[i] = min(max(level0, _ZERO), _ONE), min(max(level1, _ZERO), _ONE)
