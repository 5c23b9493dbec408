"""Single rows of a crossbar, read at the largest code while all others are at rest, as an embedding is."""

from __future__ import annotations

import torch
from torch import Tensor

from memrix.crossbar.adc import convert_
from memrix.crossbar.converters import convert_with_errors_
from memrix.crossbar.noise import read_normals
from memrix.crossbar.read import Cells


def read_rows(rows: Tensor, cells: Cells, plane_weights: Tensor, key: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """Read rows; only the tile that holds the row is converted.

    Args:
        rows: numbers of inputs of the only group, int64 ``[n]``.
        cells: that are read.
        plane_weights: what an ADC step of each bit slice is worth, ``[planes]``.
        key: of the stream of the read noise, an int64 scalar.
        first: number of the first reading, an int64 scalar.

    Returns:
        float32 ``[n, outputs]``, and how many conversions were clipped, an int64 scalar.
    """
    shape = cells.shape
    full = cells.tables.shape[1] - 1
    steps = cells.difference.flatten(0, 1).index_select(0, rows).mul_(cells.tables[0, full])
    if cells.total.numel():
        normals = read_normals(key, first, len(rows), 1, shape.columns)[0]
        steps += _variances(rows, cells).clamp_(min=0).sqrt_().mul_(normals)
    clipped = _convert_(steps, rows, cells, first)
    by_plane = steps.unflatten(-1, (shape.planes, shape.outputs))  # type: ignore[no-untyped-call]
    return by_plane.mul_(plane_weights[:, None]).sum(1), clipped


def _convert_(steps: Tensor, rows: Tensor, cells: Cells, first: Tensor) -> Tensor:
    if cells.converters is None:
        return convert_(steps, cells.limit)
    numbers = first + torch.arange(len(rows), device=rows.device)
    of_tiles = cells.converters.errors.index_select(1, rows // cells.shape.rows)
    return convert_with_errors_(steps[None], cells.limit, cells.converters, numbers, of_tiles[:, None])


def _variances(rows: Tensor, cells: Cells) -> Tensor:
    """Variances of readings ``[n, columns]``: of the row, and of the cells at rest in its tile."""
    shape = cells.shape
    full, zero = cells.tables.shape[1] - 1, cells.tables.shape[1] // 2
    own = cells.total.flatten(0, 1).index_select(0, rows)
    tiles, tile_of = torch.unique(rows // shape.rows, return_inverse=True)
    others = cells.total[tiles].sum(1)[tile_of].sub_(own)
    resting = torch.clamp(shape.inputs - tiles * shape.rows, max=shape.rows)[tile_of, None] - 1
    _, slope, offset = cells.tables
    variances: Tensor = (own * slope[full]).add_(others * slope[zero]).add_(offset[full])
    variances += resting * offset[zero]
    return variances
