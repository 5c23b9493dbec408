"""How a matrix of integer weights lies on arrays of cells: binary planes, differential pairs, tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from memrix.validation import require_integer

POLARITIES = 2


@dataclass(frozen=True)
class Tile:
    """Size of one array of cells.

    Attributes:
        rows: word lines, that is inputs.
        columns: bit lines, that is outputs.
    """

    rows: int = 128
    columns: int = 128

    def __post_init__(self) -> None:
        require_integer("tile.rows", self.rows, 1, 1 << 20)
        require_integer("tile.columns", self.columns, 1, 1 << 20)


@dataclass(frozen=True)
class Layout:
    """Where the cells of ``groups`` matrices of ``inputs`` x ``outputs`` weights lie.

    Each binary plane of a weight's magnitude is a differential pair: a cell in a positive and one in a negative
    array. Inputs are cut into tiles of at most ``tile.rows``, outputs into tiles of at most ``tile.columns``.
    """

    groups: int
    inputs: int
    outputs: int
    planes: int
    tile: Tile

    @property
    def row_tiles(self) -> int:
        """Tiles that the inputs are cut into."""
        return -(-self.inputs // self.tile.rows)

    @property
    def rows(self) -> int:
        """Rows in use of the fullest tile; the last one may use fewer."""
        return min(self.tile.rows, self.inputs)

    @property
    def tiles(self) -> int:
        """Arrays of either polarity, counted in pairs."""
        return self.groups * self.row_tiles * -(-self.outputs // self.tile.columns) * self.planes

    @property
    def cells(self) -> int:
        """Cells that hold a weight."""
        return self.groups * self.inputs * self.outputs * self.planes * POLARITIES

    @property
    def utilisation(self) -> float:
        """Share of the cells of all arrays that hold a weight."""
        return self.cells / (self.tiles * POLARITIES * self.tile.rows * self.tile.columns)

    @property
    def conversions(self) -> int:
        """ADC conversions for one input vector a group."""
        return self.groups * self.row_tiles * self.planes * self.outputs


def planes_of(weight_bits: int) -> int:
    """Binary planes of the magnitude of a symmetric integer of ``weight_bits`` bits."""
    return weight_bits - 1


def cells_on(integers: Tensor, planes: int) -> Iterator[tuple[int, Tensor, Tensor]]:
    """For every plane from the lowest: its number, and which positive and negative cells are ON (bool)."""
    magnitudes = integers.abs()
    for plane in range(planes):
        bit = magnitudes.bitwise_right_shift(plane).bitwise_and(1).bool()
        yield plane, bit & (integers > 0), bit & (integers < 0)
