"""Readings whose cells share their noise over the items of a batch, as in the library of arXiv 2505.24721.

There every cell draws one normal number for a reading, which all items of the first axis of a batch share, whatever
voltages they put on the cell. The noise of two items is therefore correlated as their deviations over the cells of a
column are, and the same where their inputs are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from memrix._support.random import fill_noise_
from memrix.crossbar.blocks import Readable, TensorBlock
from memrix.crossbar.products import TiledProduct, at

_LEAST = 1e-30  # ADC steps; squared it is still a float32 above 0


class SharedNoiseBlock(TensorBlock):
    """Tensor operations, with one normal number a pair of cells that all shared items of a reading see.

    The deviation of a cell is taken as a product ``f(U) g(r)``, which it is to some thousandths (both extremes of the
    current have nearly the same shape); then that of a reading is a matrix product of ``f`` and the noise of the
    cells. The variance of every reading is exact: the product is scaled to it.

    Args:
        crossbar: that is read, with noise.
        shared: items that share the noise of their cells.
        vectors: of each.
    """

    def __init__(self, crossbar: Readable, shared: int, vectors: int) -> None:
        super().__init__(crossbar, shared, vectors)
        layout, device = crossbar.layout, crossbar.total.device
        groups, tiles, columns = layout.groups, layout.row_tiles, layout.planes * layout.outputs
        _, slope, offset = crossbar.tables
        # f of the mean pair, and g squared of every one, as at the largest code.
        pair = crossbar.total.sum() / max(1, layout.cells // 2)
        variance = (offset + slope * pair).clamp_(min=0)
        self._shares = variance.div_(variance[-1].clone()).sqrt_()
        weights = (crossbar.total * slope[-1]).add_(offset[-1]).clamp_(min=0)
        self._spreads = weights.sqrt()
        self._drawn = torch.empty_like(weights)
        # Of a small share of the memory of a reading: one vector at a time.
        self._common = torch.empty((groups, tiles, shared, columns), dtype=torch.float32, device=device)
        self._norms = torch.empty((groups, tiles, shared * vectors, columns), dtype=torch.float32, device=device)
        self._common_product = TiledProduct(layout, self._drawn, self._common)
        self._norm_product = TiledProduct(layout, weights, self._norms)

    def noise(self, stream: torch.Generator, readings: int) -> list[Tensor]:
        """Standard normal numbers ``[vectors, arrays, rows, columns]`` for each reading."""
        shape = (readings, self._split[2], *self._drawn.shape)
        normal = torch.empty(shape, dtype=torch.float32, device=stream.device)
        fill_noise_(normal, stream)
        return list(normal)

    def _disturb(self, codes: Tensor, steps: Tensor, deviations: Tensor, noise: Tensor) -> None:
        _, shared, vectors, _ = self._split
        shares = at(self._shares, codes.flatten(1, 2), self._rest)  # [groups, shared * vectors, inputs]
        self._norm_product(self._norm_product.tiled(shares.square()))
        # A column whose cells all rest has no noise to speak of.
        scales = deviations.div_(self._norms.view(self._split).sqrt_().clamp_(min=_LEAST))
        by_vector = shares.unflatten(1, (shared, vectors))  # type: ignore[no-untyped-call]
        for vector in range(vectors):
            torch.mul(self._spreads, noise[vector], out=self._drawn)
            self._common_product(self._common_product.tiled(by_vector[:, :, vector]))
            steps[:, :, vector].addcmul_(self._common.flatten(0, 1), scales[:, :, vector])


def vectors_at_a_time(crossbar: Readable, elements: int) -> int:
    """Vectors of an item whose noise, a number a pair of cells, is at most so many elements; at least one."""
    return max(1, elements // max(1, crossbar.total.numel()))
