"""What the ladder formula neglects: current that leaves a bit line again by its cells, into other word lines.

A cell pushes the voltage of its bit line up, all along it. That drives current into the word lines there, which carry
it to other bit lines: the sneak paths of three cells. They are the next term of the series whose first is the ladder,
taken here for a mean array: lines whose cells conduct the mean of their position, and cells that differ in the last
step alone. Between a quarter and two thirds of the ladder's error of differential outputs are left (docs/wires.md has
the figures), at a cost of some operations a cell.
"""

from __future__ import annotations

import torch
from torch import Tensor

from memrix.crossbar.ladder import shares_along


def sneak_conductances(
    conductances: Tensor,
    voltages: Tensor,
    currents: Tensor,
    *,
    word_line: tuple[float, float],
    bit_line: tuple[float, float],
    both_ends: bool,
) -> Tensor:
    """What the driver of a row adds to the current of a column along sneak paths, in S, ``[..., rows, columns]``.

    With line equations ``A x = drive + G y`` and ``B y = G x`` of voltages ``x`` on word lines and ``y`` on bit
    lines, the ladder solves ``A x = drive`` and is exact for ``y``. The next term of an output ``j`` is ``sum_i
    sum_l x_kl G_kl (1/B_l)_ki G_il (1/A_i)_lj G_ij b_ij``. With means in place of all but the last two factors, the
    sum over ``l`` is one word line, and that over ``i`` one bit line for each column.

    Args:
        conductances: of the cells of arrays, ``[..., rows, columns]``.
        voltages: shares of the drivers' voltages that arrive.
        currents: shares of the cells' currents that count.
        word_line: ohms to the first cell, and from cell to cell.
        bit_line: likewise.
        both_ends: whether word lines have two drivers.
    """
    rows, columns = conductances.shape[-2:]
    of_rows = _sum(conductances.movedim(-1, 0)).mul_(1 / columns)
    of_columns, arriving = (_sum(values.movedim(-2, 0)).mul_(1 / rows) for values in (conductances, voltages))
    mean = _sum(of_rows.movedim(-1, 0)).mul_(1 / rows)
    last = 1 / word_line[0] if both_ends and word_line[0] else 0.0
    lines = of_columns.movedim(-1, 0)
    along = _pushed(lines * arriving.movedim(-1, 0), lines, *word_line, last).movedim(0, -1)
    along = torch.where(mean[..., None] > 0, along / mean[..., None], 0.0)
    sources = (conductances * currents).mul_(of_rows[..., None])
    pushed = _pushed(sources.movedim(-2, 0), of_rows.movedim(-1, 0)[..., None], *bit_line, 0.0).movedim(0, -2)
    return pushed.mul_(of_rows[..., None]).mul_(along[..., None, :])


def _sum(values: Tensor) -> Tensor:
    """Sum over the first axis, from its first element to its last: compiled loops give the same bits."""
    total = torch.zeros_like(values[0])
    for value in values:
        total += value
    return total


def _pushed(sources: Tensor, conductances: Tensor, end_ohms: float, cell_ohms: float, last: float) -> Tensor:
    """Voltages that currents into the cells of lines, along the first axis, cause where the ends are at ground."""
    shares = shares_along(conductances, end_ohms, cell_ohms, last)
    voltages, coming = torch.empty_like(sources), torch.zeros_like(sources[0])
    for k in range(len(sources) - 1, -1, -1):
        torch.add(sources[k], coming, out=voltages[k])
        torch.mul(voltages[k], shares[k], out=coming)
    before = torch.zeros_like(sources[0])
    for k in range(len(sources)):
        voltages[k].mul_(cell_ohms if k else end_ohms).add_(before).mul_(shares[k])
        before = voltages[k]
    return voltages
