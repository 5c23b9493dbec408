"""Products of input vectors and cells, tile by tile, and what codes look up for them."""

from __future__ import annotations

import torch
from torch import Tensor

from memrix.crossbar.mapping import Layout


class TiledProduct:
    """Multiplies vectors by cells tile by tile; the cells may change meanwhile.

    Args:
        layout: of the cells.
        cells: ``[groups * row tiles, rows, columns]``.
        out: takes the products, contiguous ``[groups, row tiles, vectors, columns]``.
    """

    def __init__(self, layout: Layout, cells: Tensor, out: Tensor) -> None:
        self._rows = rows = layout.rows
        full, tiles = layout.inputs // rows, layout.row_tiles
        # Tiles are multiplied together where they lie side by side: those of one matrix. Rows that the last tile does
        # not have cost nothing.
        spans = [(0, full)] if layout.groups == 1 else [(tile, tile + 1) for tile in range(full)]
        self._spans = [(*span, rows) for span in spans]
        if full < tiles:
            self._spans.append((full, tiles, layout.inputs - full * rows))
        by_group = cells.view(layout.groups, tiles, rows, -1)
        self._parts = [
            (out[:, start:stop].flatten(0, 1), by_group[:, start:stop, :used].flatten(0, 1))
            for start, stop, used in self._spans
        ]

    def __call__(self, values: list[Tensor], offsets: list[Tensor] | None = None) -> None:
        """Multiply vectors that are tiled; the offsets of every input are added up on top of that."""
        if offsets is None:
            for (target, cells), vectors in zip(self._parts, values, strict=True):
                torch.bmm(vectors, cells, out=target)
        else:
            for (target, cells), vectors, added in zip(self._parts, values, offsets, strict=True):
                # Not baddbmm: it would first write the offsets to every column.
                torch.bmm(vectors, cells, out=target).add_(added.sum(-1, keepdim=True))

    def tiled(self, values: Tensor) -> list[Tensor]:
        """Views of vectors ``[groups, vectors, inputs]``, as they are multiplied: ``[any, vectors, rows]`` each."""
        tiled = []
        for start, stop, used in self._spans:
            inputs = values[..., start * self._rows : start * self._rows + (stop - start) * used]
            tiled.append(inputs.view(*inputs.shape[:-1], stop - start, used).transpose(1, 2).flatten(0, 1))
        return tiled


def at(tables: Tensor, codes: Tensor, rest: Tensor) -> Tensor:
    """Values of tables at DAC codes.

    Args:
        tables: one value per code in ascending order, ``[codes]`` or ``[tables, codes]``.
        codes: ``[groups, vectors, inputs]`` of any type.
        rest: position of code 0, an int32 scalar.

    Returns:
        ``[groups, vectors, inputs]``, after an axis of tables if there is one; in memory in the order of the codes.
    """
    index = codes.to(torch.int32, copy=True).add_(rest)
    if index.is_contiguous():
        return tables.index_select(-1, index.view(-1)).view(*tables.shape[:-1], *index.shape)
    ordered = index.transpose(1, 2)
    values = tables.index_select(-1, ordered.reshape(-1)).view(*tables.shape[:-1], *ordered.shape)
    return values.transpose(-2, -1)
