"""Wires on a CPU, compiled on first use: the same bits as ``ladder`` and ``wired`` give, one array at a time.

What an array takes stays in the cache of a core, and lines are solved side by side: bit lines as they lie, word lines
some at a time, transposed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from memrix._support.compilation import compiled, part_of_compiled
from memrix.crossbar.sneak_kernels import Line, sneak
from memrix.device.parameters import Array

_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
LINES_TOGETHER = 16
"""Word lines that are solved side by side: a step along them hides that of others behind it."""
_POLARITIES = 2


Factors = tuple[Array, Array, Array, Array]
"""Of an array, ``[2, rows, columns]`` each: conductances, shares of voltage and current, what sneak paths add."""


class Arrays(NamedTuple):
    """Where the cells of arrays lie in pairs ``[tiles, rows, planes * outputs]``, and what a state conducts.

    Attributes:
        planes: of each tile.
        outputs: of each plane.
        columns: of the arrays; the last of a plane may have fewer.
        row_tiles: tiles of a group, each read at once.
        inputs: rows of a group; the last tile may have fewer.
        ends: ohms from the sense amplifier to the first cell of a bit line, of each part of an array that is read at
            once: tiles of a group take turns.
        interleaved: whether columns of both polarities lie in one array.
        low: conductance of state 0, in S.
        span: by how much that of state 1 is less.
        per_span: 1 over that.
        silent: the state that conducts nothing.
        thermal: share of a cell's noise that does not depend on the voltage that arrives.
        other: the rest of it.
    """

    planes: int
    outputs: int
    columns: int
    row_tiles: int
    inputs: int
    ends: Array
    interleaved: bool
    low: np.float32
    span: np.float32
    per_span: np.float32
    silent: np.float32
    thermal: np.float32
    other: np.float32


@part_of_compiled
def _fall(cells: Array, line: Line, backwards: bool, shares: Array, onward: Array) -> None:
    """Voltages of lines side by side, ``[cells, lines]``, as by ``ladder._driven``; or driven at the last cell."""
    count, lines = cells.shape
    onward[:lines] = line.last
    for k in range(count - 1, -1, -1):
        place, ohms = count - 1 - k if backwards else k, line.cell_ohms if k else line.end_ohms
        cell, share = cells[place], shares[place]
        for i in range(lines):
            seen = cell[i] + onward[i]
            share[i] = _ONE / (seen * ohms + _ONE)
            onward[i] = seen * share[i]
    for k in range(1, count):
        place, before = (count - 1 - k, count - k) if backwards else (k, k - 1)
        share, nearer = shares[place], shares[before]
        for i in range(lines):
            share[i] *= nearer[i]


@part_of_compiled
def _across(cells: Array, line: Line, voltages: Array, means: Array, room: Array) -> None:
    """Voltages of the lines that the rows of ``[polarities, lines, cells]`` are; cells of polarities take turns.

    ``means`` takes the mean conductance of each line.
    """
    polarities, lines, cells_each = cells.shape
    count = polarities * cells_each
    turned, shares, others = room[0][:count], room[1][:count], room[2][:count]
    onward, sums, part = room[3, 0], room[3, 1], np.float32(1 / count)
    for first in range(0, lines, LINES_TOGETHER):
        here = min(LINES_TOGETHER, lines - first)
        for polarity in range(polarities):
            for i in range(here):
                row = cells[polarity, first + i]
                for k in range(cells_each):
                    turned[polarities * k + polarity, i] = row[k]
        sums[:] = _ZERO
        for k in range(count):
            cell = turned[k]
            for i in range(LINES_TOGETHER):
                sums[i] += cell[i]
        for i in range(here):
            means[first + i] = sums[i] * part
        _fall(turned, line, False, shares, onward)
        if line.last:
            _fall(turned, line, True, others, onward)
            for k in range(count):
                one, other = shares[k], others[k]
                for i in range(LINES_TOGETHER):
                    one[i] += other[i]
        for polarity in range(polarities):
            for i in range(here):
                row = voltages[polarity, first + i]
                for k in range(cells_each):
                    row[k] = shares[polarities * k + polarity, i]


@part_of_compiled
def _conductances(total: Array, difference: Array, start: int, arrays: Arrays, cells: Array) -> None:
    """Of positive and of negative cells ``[2, rows, columns]``, which begin in a column of a tile."""
    stop = start + cells.shape[2]
    for k in range(cells.shape[1]):
        both, apart, positive, negative = total[k][start:stop], difference[k][start:stop], cells[0, k], cells[1, k]
        for i in range(both.size):
            positive[i] = max(arrays.low - (both[i] + apart[i]) / _TWO * arrays.span, _ZERO)
            negative[i] = max(arrays.low - (both[i] - apart[i]) / _TWO * arrays.span, _ZERO)


@part_of_compiled
def solve(factors: Factors, interleaved: bool, word_line: Line, bit_line: Line, room: Array, means: Array) -> None:
    """What wires do to the cells of an array, the first of ``factors``: the others are to be filled."""
    cells, voltages, currents, added = factors
    rows, columns = cells.shape[1:]
    onward = np.empty(columns, np.float32)
    for polarity in range(_POLARITIES):
        _fall(cells[polarity], bit_line, False, currents[polarity], onward)
    together = _POLARITIES if interleaved else 1  # polarities in one array
    for begin in range(0, _POLARITIES, together):
        end = begin + together
        g, v, c = cells[begin:end], voltages[begin:end], currents[begin:end]
        _across(g, word_line, v, means, room)
        sneak(g, v, c, means[:rows], word_line, bit_line, added[begin:end])


@part_of_compiled
def _seen(
    total: Array,
    difference: Array,
    start: int,
    arrays: Arrays,
    factors: Factors,
    sums: Array,
    seen_total: Array,
    seen_difference: Array,
    seen_lines: Array,
) -> None:
    """States of an array as readings see them; conductances, and what counts of them, add up in ``[2, columns]``."""
    cells, voltages, currents, added = factors
    silent, thermal, other, per_span = arrays.silent, arrays.thermal, arrays.other, arrays.per_span
    wide = cells.shape[2]
    stop, conducting, counting = start + wide, sums[0][:wide], sums[1][:wide]
    conducting[:] = _ZERO
    counting[:] = _ZERO
    for k in range(cells.shape[1]):
        both, apart = total[k][start:stop], difference[k][start:stop]
        seen_both, seen_apart = seen_total[k][start:stop], seen_difference[k][start:stop]
        g0, g1, v0, v1 = cells[0, k], cells[1, k], voltages[0, k], voltages[1, k]
        c0, c1, added0, added1 = currents[0, k], currents[1, k], added[0, k], added[1, k]
        for i in range(both.size):
            positive, negative = (both[i] + apart[i]) / _TWO - silent, (both[i] - apart[i]) / _TWO - silent
            counted0, counted1 = v0[i] * c0[i], v1[i] * c1[i]
            noise0, noise1 = c0[i] * c0[i] * (v0[i] * other + thermal), c1[i] * c1[i] * (v1[i] * other + thermal)
            seen0 = (counted0 * positive + silent) - added0[i] * per_span
            seen_apart[i] = seen0 - ((counted1 * negative + silent) - added1[i] * per_span)
            seen_both[i] = (noise0 * positive + silent) + (noise1 * negative + silent)
            conducting[i] += g0[i] + g1[i]
            counting[i] += (counted0 * g0[i] + added0[i]) + (counted1 * g1[i] + added1[i])
        # By itself, and in float64: the loop above runs on several columns at once.
        drawn = 0.0
        for i in range(both.size):
            positive, negative = (both[i] + apart[i]) / _TWO - silent, (both[i] - apart[i]) / _TWO - silent
            drawn += np.float64((v0[i] * positive + silent) + (v1[i] * negative + silent))
        seen_lines[k] = np.float32(drawn)


@compiled
def fall_along_rows(cells: Array, line: Line, voltages: Array) -> None:
    """Voltages of lines ``[lines, cells]``."""
    room = np.zeros((4, max(2, cells.shape[1]), LINES_TOGETHER), np.float32)
    shape, means = (1, *cells.shape), np.empty(cells.shape[0], np.float32)
    _across(cells.reshape(shape), line, voltages.reshape(shape), means, room)


@compiled
def fall_along_columns(cells: Array, line: Line, voltages: Array) -> None:
    """Voltages of lines that lie side by side, ``[arrays, cells, lines]``."""
    onward, others = np.empty(cells.shape[2], np.float32), np.empty(cells.shape[1:], np.float32)
    for array in range(cells.shape[0]):
        _fall(cells[array], line, False, voltages[array], onward)
        if line.last:
            _fall(cells[array], line, True, others, onward)
            voltages[array] += others


@compiled
def fold(
    total: Array,
    difference: Array,
    arrays: Arrays,
    word_line: Line,
    bit_line: Line,
    first: int,
    last: int,
    seen_total: Array,
    seen_difference: Array,
    seen_lines: Array,
) -> tuple[float, float]:
    """Pairs of arrays ``first`` to ``last - 1`` as readings see them; arrays are numbered tile by tile.

    Args:
        total: ``r+ + r-``, ``[tiles, rows, planes * outputs]``.
        difference: ``r+ - r-``, likewise.
        arrays: where cells lie.
        word_line: of the arrays.
        bit_line: likewise; its end is that of ``arrays``.
        first: array.
        last: array, and one more.
        seen_total: takes the sum of pairs as seen, likewise, 0 where there is no cell.
        seen_difference: takes their difference.
        seen_lines: takes the sums of states that drivers see in each array, ``[arrays, rows]``.

    Returns:
        The conductance of all cells, and what counts of it, in S.
    """
    rows, columns = total.shape[1], arrays.columns
    size = _POLARITIES * rows * columns
    work = np.empty((4, size), np.float32)
    room = np.zeros((4, _POLARITIES * columns, LINES_TOGETHER), np.float32)
    means, sums = np.empty(rows, np.float32), np.empty((2, columns), np.float32)
    parts = -(-arrays.outputs // columns)
    conductance, arrived = 0.0, 0.0
    for array in range(first, last):
        tile, of_tile = array // (arrays.planes * parts), array % (arrays.planes * parts)
        plane, part = of_tile // parts, of_tile % parts
        here = min(rows, arrays.inputs - tile % arrays.row_tiles * rows)
        wide = min(columns, arrays.outputs - part * columns)
        start = plane * arrays.outputs + part * columns
        shape = (_POLARITIES, here, wide)
        count = _POLARITIES * here * wide
        cells, voltages = work[0][:count].reshape(shape), work[1][:count].reshape(shape)
        currents, added = work[2][:count].reshape(shape), work[3][:count].reshape(shape)
        factors = cells, voltages, currents, added
        both, apart, seen_both, seen_apart = total[tile], difference[tile], seen_total[tile], seen_difference[tile]
        _conductances(both, apart, start, arrays, cells)
        end_ohms = arrays.ends[tile % arrays.row_tiles % arrays.ends.size]
        own = Line(end_ohms, bit_line.cell_ohms, bit_line.last)
        solve(factors, arrays.interleaved, word_line, own, room, means)
        _seen(both, apart, start, arrays, factors, sums, seen_both, seen_apart, seen_lines[array])
        seen_both[here:, start : start + wide] = _ZERO
        seen_apart[here:, start : start + wide] = _ZERO
        for i in range(wide):
            conductance += np.float64(sums[0, i])
            arrived += np.float64(sums[1, i])
    return conductance, arrived
