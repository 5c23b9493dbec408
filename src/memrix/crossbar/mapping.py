"""How a matrix of integer weights lies on arrays of cells: planes, differential pairs, tiles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from memrix._support.validation import plain_settings, require_integer

POLARITIES = 2

Mapping = Literal["bit-sliced", "multi-level"]


@dataclass(frozen=True)
class Tile:
    """Size of a tile: a pair of arrays of one bit slice, for positive and for negative weights.

    Each of the two arrays has ``rows`` x ``columns`` cells. Each column of a tile has its own ADC conversions.

    Attributes:
        rows: number of word lines, that is of inputs.
        columns: number of bit lines, that is of outputs.
    """

    rows: int = 128
    columns: int = 128

    def __post_init__(self) -> None:
        plain_settings(self)
        require_integer("tile.rows", self.rows, 1, 1 << 20)
        require_integer("tile.columns", self.columns, 1, 1 << 20)


@dataclass(frozen=True)
class Layout:
    """Where the cells of ``groups`` matrices of ``inputs`` x ``outputs`` weights lie.

    The magnitude of a weight is written in digits from 0 to ``levels``, one a plane. Each digit is a differential
    pair: a cell in the positive and one in the negative array of a tile. Every plane has its own tiles: inputs are
    cut into parts of at most ``tile.rows``, outputs into parts of at most ``tile.columns``.

    Attributes:
        groups: matrices.
        inputs: rows of each.
        outputs: columns of each.
        planes: digits of a magnitude.
        levels: largest digit: 1 where cells are ON or OFF.
        tile: size of each of the two arrays of a tile.
        rows_at_once: rows of a tile that are read at once, a divisor of ``tile.rows``; None: all.
    """

    groups: int
    inputs: int
    outputs: int
    planes: int
    levels: int
    tile: Tile
    rows_at_once: int | None = None

    @classmethod
    def of(
        cls,
        groups: int,
        inputs: int,
        outputs: int,
        *,
        weight_bits: float,
        mapping: Mapping,
        tile: Tile,
        rows_at_once: int | None = None,
    ) -> Layout:
        """The layout of symmetric weights of ``weight_bits`` bits, their sign included."""
        magnitude_bits = math.ceil(weight_bits) - 1
        sliced = mapping == "bit-sliced"
        planes, levels = (magnitude_bits, 1) if sliced else (1, (1 << magnitude_bits) - 1)
        return cls(groups, inputs, outputs, planes, levels, tile, rows_at_once)

    @property
    def plane_weights(self) -> list[int]:
        """What one full pair is worth, in integer weights, from the lowest plane."""
        return [self.levels * self.base**plane for plane in range(self.planes)]

    @property
    def base(self) -> int:
        """Of the digits."""
        return self.levels + 1

    @property
    def row_tiles(self) -> int:
        """Parts that the inputs are cut into, each read at once: a row of tiles, or rows of one."""
        return -(-self.inputs // (self.rows_at_once or self.tile.rows))

    @property
    def rows(self) -> int:
        """Rows in use of the fullest part that is read at once; the last one may use fewer."""
        return min(self.rows_at_once or self.tile.rows, self.inputs)

    @property
    def parts(self) -> int:
        """Parts of a full tile that are read one after the other."""
        return self.tile.rows // (self.rows_at_once or self.tile.rows)

    @property
    def tiles(self) -> int:
        """Tiles: pairs of arrays, those of every bit slice."""
        return self.groups * -(-self.row_tiles // self.parts) * -(-self.outputs // self.tile.columns) * self.planes

    @property
    def cells(self) -> int:
        """Cells that hold a weight."""
        return self.groups * self.inputs * self.outputs * self.planes * POLARITIES

    @property
    def utilization(self) -> float:
        """Share of the cells of all tiles that hold a weight."""
        return self.cells / (self.tiles * POLARITIES * self.tile.rows * self.tile.columns)

    @property
    def conversions(self) -> int:
        """ADC conversions for one input vector a group."""
        return self.groups * self.row_tiles * self.planes * self.outputs

    def first_cell(self, plane: int) -> int:
        """Number of the first cell of a plane.

        Cells are numbered in the order ``[planes, polarities, groups, inputs, outputs]``, wherever they lie: what a
        cell draws follows from its number.
        """
        return plane * (self.cells // self.planes)

    def cell_numbers(self, places: Tensor) -> Tensor:
        """Numbers of cells at places of ``ExposedCells``."""
        pair, polarity = places // POLARITIES, places % POLARITIES
        pair, output = pair // self.outputs, pair % self.outputs
        line, plane = pair // self.planes, pair % self.planes
        lines = self.row_tiles * self.rows
        group, row = line // lines, line % lines
        matrix = (plane * POLARITIES + polarity) * self.groups + group
        return (matrix * self.inputs + row) * self.outputs + output

    def arrays(self, planes: Sequence[int], device: torch.device) -> Tensor:
        """``[planes * polarities, groups, inputs, outputs]``, int64: in which array each cell lies."""
        column_tiles = -(-self.outputs // self.tile.columns)
        row = torch.arange(self.inputs, device=device).div_(self.tile.rows, rounding_mode="floor")
        column = torch.arange(self.outputs, device=device).div_(self.tile.columns, rounding_mode="floor")
        tile = row[:, None] * column_tiles + column
        polarity = torch.arange(POLARITIES, device=device)
        plane = (torch.tensor(planes, device=device)[:, None] * POLARITIES + polarity).view(-1, 1)
        matrix = (plane * self.groups + torch.arange(self.groups, device=device))[:, :, None, None]
        return matrix * (self.row_tiles * column_tiles) + tile

    def targets(self, integers: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
        """For every plane from the lowest: its number, and the targets of the positive and of the negative cells.

        Targets are bool (ON) where a digit is 0 or 1, else float32 levels from 0 (OFF) to 1 (ON).

        Args:
            integers: weights, any shape.
        """
        magnitudes = integers.abs()
        for plane in range(self.planes):
            if self.levels == 1:
                bit = magnitudes.bitwise_right_shift(plane).bitwise_and(1).bool()
                yield plane, bit & (integers > 0), bit & (integers < 0)
            else:
                digit = magnitudes.div(self.base**plane, rounding_mode="floor").remainder(self.base).float()
                digit /= self.levels
                yield plane, digit * (integers > 0), digit * (integers < 0)
