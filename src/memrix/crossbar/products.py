"""Products of input vectors and cells, tile by tile, and what codes look up for them."""

from __future__ import annotations

import torch
from torch import Tensor

from memrix.crossbar.mapping import Layout


class TiledProduct:
    """Multiplies vectors by cells tile by tile.

    Args:
        layout: of the cells.
        cells: ``[groups * row tiles, rows, columns]``.
        out: takes the products, contiguous ``[groups, row tiles, vectors, columns]``.
    """

    def __init__(self, layout: Layout, cells: Tensor, out: Tensor) -> None:
        self._layout = layout
        groups, tiles, rows = layout.groups, layout.row_tiles, layout.rows
        by_group = cells.view(groups, tiles, rows, -1)
        full = layout.inputs // rows
        parts = [(slice(full), rows)]
        if full < tiles:
            # Rows that the last tile does not have cost nothing.
            parts.append((slice(full, tiles), layout.inputs - full * rows))
        self._parts: list[tuple[Tensor, Tensor]] = []
        self._copies: list[tuple[Tensor, Tensor]] = []
        for where, used in parts:
            target = out[:, where]
            if groups > 1 and 1 < target.shape[1] < tiles:
                # A batch of matrices cannot be written to what lies apart.
                apart, target = target, torch.empty_like(target)
                self._copies.append((apart, target))
            self._parts.append((target.flatten(0, 1), by_group[:, where, :used].flatten(0, 1)))

    def __call__(self, values: Tensor, offsets: Tensor | None = None) -> None:
        """Multiply values ``[groups, vectors, inputs]``; the offsets of every input are added up on top of that."""
        tiled = self._tiled(values)
        if offsets is None:
            for (target, cells), vectors in zip(self._parts, tiled, strict=True):
                torch.bmm(vectors, cells, out=target)
        else:
            for (target, cells), vectors, added in zip(self._parts, tiled, self._tiled(offsets), strict=True):
                # Not baddbmm: it would first write the offsets to every column.
                torch.bmm(vectors, cells, out=target).add_(added.sum(-1, keepdim=True))
        for apart, product in self._copies:
            apart.copy_(product)

    def _tiled(self, values: Tensor) -> list[Tensor]:
        """``[groups * tiles, vectors, rows]`` of ``[groups, vectors, inputs]``: the full tiles, the rest."""
        tiles, rows = self._layout.row_tiles, self._layout.rows
        if tiles == 1:
            return [values]
        groups, vectors, inputs = values.shape
        full = inputs // rows
        whole = values[..., : full * rows].view(groups, vectors, full, rows).transpose(1, 2).flatten(0, 1)
        return [whole] if full == tiles else [whole, values[..., full * rows :]]


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
