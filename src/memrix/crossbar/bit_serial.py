"""Readings of inputs bit by bit: one for each bit of a code, added digitally."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from memrix.crossbar.read import Call

_BIT = 56  # bits of the number of a reading, above which the bit of the code is


def read_bits(
    results: Tensor, call: Call, read_once: Callable[[Tensor, Call], tuple[int, int | Tensor]]
) -> tuple[int, int | Tensor]:
    """Read vectors once for each bit of their codes; bit ``k`` of reading ``n`` has the noise of ``n + k * 2**56``.

    Args:
        results: takes them, float32 ``[groups, n, outputs]``.
        call: with cells whose tables are ``[bits, 1 or 3, codes]``, from the lowest bit.
        read_once: reads with tables of one bit.

    Returns:
        How many numbers of readings it took, and how many conversions were clipped.
    """
    one = torch.ones(1, dtype=torch.float32, device=results.device)
    part = torch.empty_like(results)
    results.zero_()
    readings, clipped = 0, None
    for bit, tables in reversed([*enumerate(call.cells.tables)]):
        cells = call.cells._replace(tables=tables)
        readings, beyond = read_once(
            part, call._replace(cells=cells, scale=one, offset=None, first=call.first + (bit << _BIT))
        )
        clipped = beyond if clipped is None else clipped + beyond
        results.mul_(2).add_(part)
    call.scale_(results)
    return readings, 0 if clipped is None else clipped
