"""``wire_kernels`` for tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from memrix._support.threads import side_by_side
from memrix.crossbar.mapping import Layout
from memrix.crossbar.sneak_kernels import Line
from memrix.crossbar.wire_kernels import Arrays, fall_along_columns, fall_along_rows, fold
from memrix.crossbar.wires import Wires

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
        np.array(
            [wires.beyond(part * layout.rows).sense_ohms + wires.bit_line for part in range(layout.parts)], np.float32
        ),
        wires.arrays == "interleaved",
        *map(np.float32, (low, low - high, 1 / (low - high), low / (low - high), thermal, 1 - thermal)),
    )
    word_line = _line(wires.driver_ohms + wires.word_line, wires.word_line, wires.drive == "both-sides")
    bit_line = _line(wires.sense_ohms + wires.bit_line, wires.bit_line, False)
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


def _line(end_ohms: float, cell_ohms: float, both_ends: bool) -> Line:
    last = 1 / end_ohms if both_ends and end_ohms else 0.0
    return Line(np.float32(end_ohms), np.float32(cell_ohms), np.float32(last))
