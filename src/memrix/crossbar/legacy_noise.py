"""Read noise as in the library of arXiv 2505.24721, where the items of a batch share the noise of every cell.

There every cell draws one normal number for a reading, which all items of the first axis of a batch share, whatever
voltages they put on the cell. The noise of two items is therefore correlated as their deviations over the cells of a
column are, and the same where their inputs are. So a result depends on what else is in its batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from memrix.crossbar.noise import read_normals
from memrix.crossbar.products import tiled_product
from memrix.crossbar.read import Cells, deviations, look_up, to_results

_LEAST = 1e-30  # ADC steps; squared it is still a float32 above 0
_ITEM = 40  # bits of the numbers of readings, above which the item is
_ELEMENTS = 1 << 20  # normal numbers, one a pair of cells, that are drawn at once


def read(vectors: Tensor, codes_per_unit: Tensor, cells: Cells, key: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """Read vectors whose cells share their noise over the items of a batch.

    The deviation of a cell is taken as a product ``f(U) g(r)``, which it is to some thousandths (both extremes of the
    current have nearly the same shape); then that of a reading is a matrix product of ``f`` and the noise of the
    cells. The variance of every reading is exact: the product is scaled to it.

    Args:
        vectors: float32 ``[groups, items, n, inputs]``.
        codes_per_unit: DAC codes of an input of 1, a scalar.
        cells: that are read, with noise.
        key: of the stream of the read noise, an int64 scalar.
        first: number of the first of ``n`` readings, an int64 scalar.

    Returns:
        As ``memrix.crossbar.read.read``, of ``items * n`` vectors.
    """
    shape = cells.shape
    groups, items, n, inputs = vectors.shape
    shares, spreads = _factors(cells)
    zero = cells.tables.shape[1] // 2
    together = max(1, _ELEMENTS // max(1, spreads.numel()))
    results = vectors.new_empty(groups, items, n, shape.outputs)
    clipped = first.new_zeros(())
    for start in range(0, n, together):
        some = vectors[:, :, start : start + together]  # [groups, items, some, inputs]
        flat = some.reshape(groups, -1, inputs)
        looked_up = look_up(flat, codes_per_unit, cells.tables)
        steps = tiled_product(looked_up[0], cells.difference, shape.rows)
        scales = deviations(looked_up[1], looked_up[2], cells)
        # f at the code of every input, [groups, items, some, inputs]
        f = look_up(flat, codes_per_unit, shares.expand(1, 2 * zero + 1))[0].view(some.shape)
        # A column whose cells all rest has no noise to speak of.
        norms = tiled_product(f.flatten(1, 2).square(), spreads.square(), shape.rows)
        scales.div_(norms.sqrt_().clamp_(min=_LEAST))
        arrays, rows, columns = spreads.shape
        by_item = steps.view(arrays, items, -1, columns), scales.view(arrays, items, -1, columns)
        count = some.shape[2]
        normals = read_normals(key, first + start, count, arrays, rows * columns)
        for number in range(count):
            drawn = spreads * normals[:, number].reshape(arrays, rows, columns)
            common = tiled_product(f[:, :, number], drawn, shape.rows)
            by_item[0][:, :, number].addcmul_(common, by_item[1][:, :, number])
        # The converters are not shared: the noise of each conversion of an item is its own.
        firsts = (torch.arange(items, device=first.device) << _ITEM) + (first + start)
        made, beyond = to_results(steps, cells, firsts)
        results[:, :, start : start + together] = made.view(groups, items, count, shape.outputs)
        clipped += beyond
    return results.flatten(1, 2), clipped


def _factors(cells: Cells) -> tuple[Tensor, Tensor]:
    """``f`` of the mean pair over the codes, ``[1, codes]``, and ``g`` of every pair, as at the largest code."""
    shape = cells.shape
    _, slope, offset = cells.tables
    pair = cells.total.sum() / max(1, shape.groups * shape.inputs * shape.columns)
    variance = (offset + slope * pair).clamp_(min=0)
    spreads = (cells.total * slope[-1]).add_(offset[-1]).clamp_(min=0).sqrt_()
    return variance.div_(variance[-1].clone()).sqrt_()[None], spreads
