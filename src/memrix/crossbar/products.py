"""Products of input vectors and cells, tile by tile."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memrix._support.threads import side_by_side
from memrix.crossbar import gemm

_TOGETHER = 128  # vectors that a thread multiplies at a time, on a CPU


def tiled_product(values: Tensor, cells: Tensor, rows: int) -> Tensor:
    """Multiply vectors by the tiles of their group.

    On a CPU every element is a chain of fused multiply-adds over the rows of its tile, whatever is multiplied
    together (``memrix.crossbar.gemm``). Elsewhere, and without numba, it is the product of torch, whose last bit may
    depend on how many vectors there are.

    Args:
        values: float32 ``[groups, n, inputs]``.
        cells: float32 ``[groups * tiles, rows, columns]``.
        rows: of a tile; rows beyond the inputs are without cells.

    Returns:
        float32 ``[groups * tiles, n, columns]``.
    """
    groups, n, inputs = values.shape
    tiles = -(-inputs // rows)
    padded = nn.functional.pad(values, (0, tiles * rows - inputs))
    by_tile = padded.view(groups, n, tiles, rows).transpose(1, 2).reshape(groups * tiles, n, rows)
    if values.device.type == "cpu" and gemm.available():
        out = torch.empty((len(cells), n, cells.shape[2]), dtype=torch.float32)
        pieces = torch.split(by_tile, _TOGETHER, 1), torch.split(out, _TOGETHER, 1)
        side_by_side(lambda vectors, products: gemm.multiply(vectors, cells, products), *pieces, device=out.device)
        return out
    return torch.bmm(by_tile, cells)
