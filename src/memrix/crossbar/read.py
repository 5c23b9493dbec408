"""A reading of a crossbar, from DAC codes to digital results: the whole of it, in tensor operations.

    input -> codes -> look-up -> product, tile by tile -> noise -> ADC -> tiles and bit slices added digitally

The current of a cell is affine in its state, ``I(r, U) = I_LL(U) + r d(U)``. So a column of differential pairs reads
``sum_i d(U_i) (r+_i - r-_i)``, one matrix product, with a noise of variance ``sum_i v(U_i) + w(U_i) (r+_i + r-_i)``,
another one. ``d``, ``v`` and ``w`` are looked up at the codes of the DAC.

This runs on any device. ``compiled`` does the same on a CPU several times as fast: the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from memrix.crossbar.adc import convert_
from memrix.crossbar.converters import Converters, convert_with_errors_
from memrix.crossbar.dac import to_codes
from memrix.crossbar.noise import read_normals
from memrix.crossbar.products import tiled_product


class Shape(NamedTuple):
    """Sizes of the cells that are read: see ``memrix.crossbar.mapping.Layout``."""

    groups: int
    inputs: int
    outputs: int
    planes: int  # bit slices, from the lowest
    base: int  # what a step of a slice is worth in steps of the one below it
    rows: int  # of a tile

    @property
    def tiles(self) -> int:
        """Parts that the inputs are cut into."""
        return -(-self.inputs // self.rows)

    @property
    def columns(self) -> int:
        """Columns of such a part in all its tiles: bit slices times outputs."""
        return self.planes * self.outputs

    @property
    def conversions(self) -> int:
        """ADC conversions of one reading."""
        return self.groups * self.tiles * self.columns


class Cells(NamedTuple):
    """What is read.

    Attributes:
        shape: sizes.
        difference: ``r+ - r-``, float32 ``[groups * tiles, rows, columns]``.
        total: ``r+ + r-`` of the same shape; empty without noise.
        tables: over the codes of the DAC, float32 ``[1 or 3, codes]``, in ADC steps: ``d``; with noise ``w`` and
            ``v`` too.
        limit: largest code of the ADC.
        converters: ADCs with errors; None: all are ideal.
    """

    shape: Shape
    difference: Tensor
    total: Tensor
    tables: Tensor
    limit: float
    converters: Converters | None = None


class Call(NamedTuple):
    """What ``memrix::read`` reads with, beside where the results go.

    Attributes:
        windows: float32 ``[groups, *vectors, *inputs]``.
        vector_axes: axes of the vectors.
        codes_per_unit: DAC codes of an input of 1, a scalar.
        cells: that are read.
        record: see ``memrix.crossbar.record``.
        scale: of results, ``[1]`` or ``[groups * outputs]``.
        offset: added to them then, likewise.
        shared_noise: whether items share the noise of every cell.
        name: of the layer.
        first: added to the numbers of readings.
    """

    windows: Tensor
    vector_axes: int
    codes_per_unit: Tensor
    cells: Cells
    record: Tensor
    scale: Tensor
    offset: Tensor | None
    shared_noise: bool
    name: str
    first: int = 0

    def scale_(self, results: Tensor) -> None:
        """Scale results ``[groups, n, outputs]``, and add the offset."""
        for values, change in ((self.scale, results.mul_), (self.offset, results.add_)):
            if values is not None:
                change(values.reshape((1, 1, 1) if values.numel() == 1 else (len(results), 1, -1)))


def read(vectors: Tensor, codes_per_unit: Tensor, cells: Cells, key: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """Read input vectors.

    Args:
        vectors: float32 ``[groups, n, inputs]``.
        codes_per_unit: DAC codes of an input of 1, a scalar.
        cells: that are read.
        key: of the stream of the read noise, an int64 scalar.
        first: number of the first reading, an int64 scalar.

    Returns:
        float32 ``[groups, n, outputs]``, whole numbers of ADC steps of the lowest bit slice; and how many conversions
        were clipped, an int64 scalar.
    """
    looked_up = look_up(vectors, codes_per_unit, cells.tables)  # [1 or 3, groups, n, inputs]
    steps = tiled_product(looked_up[0], cells.difference, cells.shape.rows)  # [groups * tiles, n, columns]
    if cells.total.numel():
        readings, columns = steps.shape[1:]
        normals = read_normals(key, first, readings, len(steps), columns)
        steps += deviations(looked_up[1], looked_up[2], cells).mul_(normals)
    return to_results(steps, cells, first)


def look_up(vectors: Tensor, codes_per_unit: Tensor, tables: Tensor) -> Tensor:
    """Values of tables at the DAC codes of inputs, ``[tables, *shape]``."""
    zero = tables.shape[1] // 2
    codes = to_codes(vectors * codes_per_unit, zero).to(torch.int32).add_(zero)
    return tables.index_select(1, codes.flatten()).view(len(tables), *vectors.shape)


def deviations(slopes: Tensor, offsets: Tensor, cells: Cells) -> Tensor:
    """Standard deviations of readings ``[groups * tiles, n, columns]``, of variances looked up for every input."""
    groups, n, inputs = slopes.shape
    tiles, rows = cells.shape.tiles, cells.shape.rows
    variances = tiled_product(slopes, cells.total, rows)
    # In float64 the sum is exact, in whatever order it is taken.
    by_tile = torch.nn.functional.pad(offsets.double(), (0, tiles * rows - inputs)).view(groups, n, tiles, rows)
    variances += by_tile.sum(-1).float().transpose(1, 2).reshape(groups * tiles, n, 1)
    # A cell in a million conducts against a voltage of some mV; its share of the variance is below 0.
    return variances.clamp_(min=0).sqrt_()


def to_results(steps: Tensor, cells: Cells, first: Tensor) -> tuple[Tensor, Tensor]:
    """Convert readings ``[groups * tiles, n, columns]`` in place, and add tiles and bit slices: see ``read``.

    ``first``: number of the first reading, or of the first one of each of several parts of equal length, ``[parts]``.
    """
    shape = cells.shape
    if cells.converters is None:
        clipped = convert_(steps, cells.limit)
    else:
        length = steps.shape[1] // first.numel()
        numbers = first.view(-1, 1) + torch.arange(length, device=steps.device)
        clipped = convert_with_errors_(steps, cells.limit, cells.converters, numbers.flatten())
    tiles = steps.unflatten(0, (shape.groups, shape.tiles)).unbind(1)  # type: ignore[no-untyped-call]
    sums = tiles[0]
    for tile in tiles[1:]:
        sums = sums + tile
    *lower, results = sums.unflatten(-1, (shape.planes, shape.outputs)).unbind(-2)
    for plane in reversed(lower):
        results = results * shape.base + plane
    return results, clipped
