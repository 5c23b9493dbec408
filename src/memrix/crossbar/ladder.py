"""Voltages along resistive lines whose cells conduct to ground: the wires of an array, solved line by line.

With cells that are linear conductances, an array with wires is still a linear map. Cell ``(i, j)`` counts
``a_ij * G_ij * b_ij``: ``a`` is the share of the driver's voltage that arrives at the cell along its word line, and
``b`` the share of its current that arrives at the sense amplifier along its bit line. By reciprocity, ``b`` is the
voltage at the cell when the sense end of its bit line is driven with 1 V. Both are voltages of a ladder: a line of
equal resistances, with a conductance to ground at every cell. It neglects that the other end of a cell is not quite
at ground: ``memrix.crossbar.sneak`` has the next term, ``memrix.crossbar.nodal`` all of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from memrix._support import compilation


def ladder_voltages(conductances: Tensor, *, end_ohms: float, cell_ohms: float, both_ends: bool = False) -> Tensor:
    """Voltages at the cells of lines whose driven end is at 1 V, the same shape as ``conductances``.

    Seen from the driven end, the conductance of a line from cell ``k`` on is ``y_k = c_k + g y / (g + y)`` with ``y``
    that from the next cell on, and the voltage falls by ``g / (g + y)`` from cell to cell: sums and quotients of
    positive numbers, exact in any precision.

    Args:
        conductances: of the cells to ground, in S, ``[..., cells]``, floating point; the first lies at the driven
            end. 0 where there is no cell.
        end_ohms: between the first cell and the driver or sense amplifier, in ohm; above 0 unless both are 0.
        cell_ohms: from cell to cell, in ohm.
        both_ends: whether the last cell is driven likewise.
    """
    if end_ohms == 0 and cell_ohms == 0:
        return torch.ones_like(conductances)
    if compilation.AVAILABLE and is_plain(conductances):
        from memrix.crossbar.wires_compiled import line_voltages

        return line_voltages(conductances, end_ohms=end_ohms, cell_ohms=cell_ohms, both_ends=both_ends)
    if not both_ends:
        return _driven(conductances, end_ohms, cell_ohms)
    # Superposition: one end driven, the other grounded.
    first = _driven(conductances, end_ohms, cell_ohms, 1 / end_ohms)
    return first + _driven(conductances.flip(-1), end_ohms, cell_ohms, 1 / end_ohms).flip(-1)


def is_plain(values: Tensor) -> bool:
    """Whether compiled loops take a tensor."""
    return values.is_cpu and values.dtype is torch.float32 and not values.requires_grad and values.numel() > 0


def _driven(conductances: Tensor, end_ohms: float, cell_ohms: float, last: float = 0.0) -> Tensor:
    """Voltages where the first end is driven; ``last``: conductance from the last cell to ground, in S."""
    # Cell after cell of all lines side by side, in memory too.
    voltages = shares_along(conductances.movedim(-1, 0).contiguous(), end_ohms, cell_ohms, last)
    for k in range(1, len(voltages)):
        voltages[k] *= voltages[k - 1]
    return voltages.movedim(0, -1)


def shares_along(conductances: Tensor, end_ohms: float, cell_ohms: float, last: float) -> Tensor:
    """Of the voltage before the resistance that leads to a cell, what is left behind it; cells on the first axis."""
    shares = torch.empty_like(conductances)
    onward, seen = torch.full_like(conductances[0], last), torch.empty_like(conductances[0])
    for k in range(len(conductances) - 1, -1, -1):
        torch.add(conductances[k], onward, out=seen)
        torch.mul(seen, cell_ohms if k else end_ohms, out=shares[k]).add_(1).reciprocal_()
        torch.mul(seen, shares[k], out=onward)
    return shares
