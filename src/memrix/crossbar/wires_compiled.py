"""``wire_kernels`` and ``compensation_kernels`` for tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from memrix._support.threads import side_by_side
from memrix.crossbar.compensation_kernels import Cells, levels, settle
from memrix.crossbar.mapping import Layout
from memrix.crossbar.sneak_kernels import Line
from memrix.crossbar.wire_kernels import Arrays, fall_along_columns, fall_along_rows, fold
from memrix.crossbar.wires import Wires
from memrix.device.parameters import Array

_CELLS = 1 << 18  # of a piece of work for a thread, about


def line_voltages(conductances: Tensor, *, end_ohms: float, cell_ohms: float, both_ends: bool) -> Tensor:
    """As ``ladder.ladder_voltages``, of float32 on a CPU and wires that resist."""
    line = _line(end_ohms, cell_ohms, both_ends)
    lying = conductances.dim() > 1 and not conductances.is_contiguous() and conductances.mT.is_contiguous()
    whole = conductances.mT if lying else conductances.contiguous()
    cells = whole.view(-1, *whole.shape[-2 if lying else -1 :])
    voltages = torch.empty_like(cells)
    work = fall_along_columns if lying else fall_along_rows
    step = max(1, _CELLS // cells[0].numel())
    parts = (torch.split(tensor, step) for tensor in (cells, voltages))
    side_by_side(lambda some, out: work(some.numpy(), line, out.numpy()), *parts, device=cells.device)
    return voltages.view(whole.shape).mT if lying else voltages.view(whole.shape)


def fold_pairs(
    total: Tensor, difference: Tensor, layout: Layout, wires: Wires, span: tuple[float, float], thermal: float
) -> tuple[Tensor, Tensor, Tensor, float, float]:
    """As ``wired._fold``, of float32 on a CPU."""
    low, high = span
    columns = min(layout.tile.columns, layout.outputs)
    arrays = Arrays(
        layout.planes,
        layout.outputs,
        columns,
        layout.row_tiles,
        layout.inputs,
        _ends(layout, wires),
        wires.arrays == "interleaved",
        *map(np.float32, (low, low - high, 1 / (low - high), low / (low - high), thermal, 1 - thermal)),
    )
    word_line, bit_line = _lines(wires)
    pairs = total.contiguous().numpy(), difference.contiguous().numpy()
    of_tile = layout.planes * -(-layout.outputs // columns)
    count = layout.groups * layout.row_tiles * of_tile
    seen = torch.empty(total.shape), torch.empty(total.shape), torch.zeros(count, total.shape[1])
    step = max(1, _CELLS // (2 * layout.rows * columns))
    spans = [(start, min(start + step, count)) for start in range(0, count, step)]
    sums: list[tuple[float, float]] = [(0.0, 0.0)] * len(spans)

    def fold_some(number: int, first: int, last: int) -> None:
        sums[number] = fold(*pairs, arrays, word_line, bit_line, first, last, *(part.numpy() for part in seen))

    side_by_side(fold_some, range(len(spans)), *zip(*spans, strict=True), device=total.device)
    conductance, arrived = (sum(column) for column in zip(*sums, strict=True))
    both, apart, lines = seen
    return both, apart, lines.view(-1, of_tile, total.shape[1]).sum(1), conductance, arrived


def settle_levels(
    wanted: Tensor,
    counts: Tensor,
    scale: Tensor,
    layout: Layout,
    wires: Wires,
    limits: tuple[float, float],
    further: float,
) -> tuple[Tensor, float]:
    """As ``compensation._Array.settle_``, of float32 on a CPU; ``limits``: conductances of OFF and ON cells, in S."""
    cells, parts = _cells(layout, wires, limits, further), -(-layout.outputs // layout.tile.columns)
    rooms = torch.empty(layout.groups, layout.row_tiles, layout.planes, layout.outputs)
    count = layout.groups * layout.row_tiles * layout.planes * parts
    step = max(1, _CELLS // (2 * layout.rows * min(layout.tile.columns, layout.outputs)))
    spans = [(start, min(start + step, count)) for start in range(0, count, step)]
    moved = [0.0] * len(spans)
    arrays = wanted.numpy(), counts.numpy(), scale.numpy()

    def settle_some(number: int, first: int, last: int) -> None:
        moved[number] = settle(*arrays, cells, *_lines(wires), first, last, rooms.numpy())

    side_by_side(settle_some, range(len(spans)), *zip(*spans, strict=True), device=wanted.device)
    return rooms.amin((1, 2)), max(moved)


def settled_levels_(
    wanted: Tensor, counts: Tensor, scale: Tensor, layout: Layout, wires: Wires, limits: tuple[float, float]
) -> Tensor:
    """As ``compensation._Array.levels``, likewise."""
    cells, count = _cells(layout, wires, limits, 0.0), layout.planes * layout.groups * layout.inputs
    step = max(1, _CELLS // (2 * layout.outputs))
    spans = [(start, min(start + step, count)) for start in range(0, count, step)]
    arrays = wanted.numpy(), counts.numpy(), scale.numpy()
    side_by_side(lambda *rows: levels(*arrays, cells, *rows), *zip(*spans, strict=True), device=wanted.device)
    return wanted


def _cells(layout: Layout, wires: Wires, limits: tuple[float, float], further: float) -> Cells:
    off, on = limits
    numbers = map(np.float32, (off, on, on - off, 1 + further))
    return Cells(layout.rows, layout.tile.columns, _ends(layout, wires), wires.arrays == "interleaved", *numbers)


def _ends(layout: Layout, wires: Wires) -> Array:
    """Ohms from the sense amplifier to the first cell, of each part of an array that is read at once."""
    ends = [wires.beyond(part * layout.rows).sense_ohms + wires.bit_line for part in range(layout.parts)]
    return np.array(ends, np.float32)


def _lines(wires: Wires) -> tuple[Line, Line]:
    """Word lines and bit lines."""
    word_line = _line(wires.driver_ohms + wires.word_line, wires.word_line, wires.drive == "both-sides")
    return word_line, _line(wires.sense_ohms + wires.bit_line, wires.bit_line, False)


def _line(end_ohms: float, cell_ohms: float, both_ends: bool) -> Line:
    last = 1 / end_ohms if both_ends and end_ohms else 0.0
    return Line(np.float32(end_ohms), np.float32(cell_ohms), np.float32(last))
