"""Cells as they were programmed, which every later time is computed from."""

from __future__ import annotations

from torch import Tensor, nn


class AsProgrammed(nn.Module):
    """States of cells at the time of their programming, where a crossbar does not hold these itself.

    A crossbar holds the cells as they are read. Where wires or time have changed them, or where it holds no sum of
    states because there is no noise, this is what another time is computed from: 8 bytes for each pair of cells.

    Args:
        difference: ``r+ - r-``, as in ``Pairs``.
        total: ``r+ + r-``.
    """

    difference: Tensor
    total: Tensor

    def __init__(self, difference: Tensor, total: Tensor) -> None:
        super().__init__()
        self.register_buffer("difference", difference)
        self.register_buffer("total", total)
