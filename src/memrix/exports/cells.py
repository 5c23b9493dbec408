"""A range of the cells of a layer as columns: where each lies, what it was to be, and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memrix.crossbar import rows_in_use
from memrix.crossbar.circuit import ReadCircuit
from memrix.crossbar.mapping import POLARITIES, Layout
from memrix.device import DeviceParameters
from memrix.exports.present import PresentCells, present_cells
from memrix.nn.crossbar_layer import CrossbarLayer

Column = npt.NDArray[Any]

# Of every cell, in this order behind the layer.
COLUMNS: dict[str, type[np.generic]] = {
    "tile": np.int32,
    "bit_slice": np.int8,
    "row": np.int32,
    "column": np.int32,
    "polarity": np.int8,
    "group": np.int32,
    "input": np.int32,
    "output": np.int32,
    "weight": np.int32,
    "target": np.float32,
    "state": np.float32,
    "conductance": np.float32,
}


@dataclass(frozen=True)
class TilePlace:
    """Where a tile lies in the matrices of a layer.

    Attributes:
        plane: bit slice.
        group: matrix.
        row: of tiles.
        column: of tiles.
    """

    plane: int
    group: int
    row: int
    column: int


def tile_grid(layout: Layout) -> tuple[int, int, int, int]:
    """Tiles of a layer: bit slices, groups, rows and columns of tiles. They are numbered in this order."""
    rows, columns = -(-layout.inputs // layout.tile.rows), -(-layout.outputs // layout.tile.columns)
    return layout.planes, layout.groups, rows, columns


def tile_place(layout: Layout, tile: int) -> TilePlace:
    """The place of the tile of a number."""
    return TilePlace(*map(int, np.unravel_index(tile, tile_grid(layout))))


def conductances_of(
    states: npt.NDArray[np.float64], parameters: DeviceParameters, activation: tuple[float, float] = (0.0, 1.0)
) -> npt.NDArray[np.float64]:
    """Conductances in S, at the read voltage of the device, of states.

    Args:
        states: any shape.
        parameters: of the device.
        activation: offset and factor of states at the temperature of the chip.
    """
    low, high = parameters.low_resistance_conductance, parameters.high_resistance_conductance
    offset, factor = activation
    return low + (offset + factor * states) * (high - low)


def activation_of(
    circuit: ReadCircuit, parameters: DeviceParameters, nominal: tuple[float, float]
) -> tuple[float, float]:
    """Offset and factor of states at the temperature of the chip."""
    return circuit.activation.seen(nominal, parameters.silent_state)


class LayerCells:
    """The cells of a programmed layer, numbered in the order ``[planes, polarities, groups, inputs, outputs]``.

    Args:
        layer: whose weight is the one that its cells were written from.

    Raises:
        ConversionError: as of ``present_cells``.
    """

    def __init__(self, layer: CrossbarLayer) -> None:
        crossbar = layer.memrix.programmed.crossbar
        self.layout, self._parameters = crossbar.layout, crossbar.cell_parameters
        self._activation = activation_of(crossbar.circuit, crossbar.cell_parameters, crossbar.nominal_states)
        self._cells: PresentCells = present_cells(layer)
        self._pairs = [rows_in_use(each, self.layout) for each in (self._cells.total, self._cells.difference)]

    def columns(self, first: int, last: int) -> dict[str, Column]:
        """The columns of ``COLUMNS`` of the cells from number ``first`` to before ``last``."""
        layout = self.layout
        shape = (layout.planes, POLARITIES, layout.groups, layout.inputs, layout.outputs)
        plane, negative, group, row, output = np.unravel_index(np.arange(first, last), shape)
        sign = 1 - 2 * negative
        states = self._states(sign, group, row, plane, output)
        place = plane, group, row // layout.tile.rows, output // layout.tile.columns
        values: dict[str, Column] = {
            "tile": np.ravel_multi_index(place, tile_grid(layout)),
            "bit_slice": plane,
            "row": row % layout.tile.rows,
            "column": output % layout.tile.columns,
            "polarity": sign,
            "group": group,
            "input": row,
            "output": output,
            "weight": _taken(self._cells.integers, group, row, output).numpy(),
            "target": self._targets(plane, negative, group, row, output),
            "state": states,
            "conductance": conductances_of(states, self._parameters, self._activation),
        }
        return {name: values[name].astype(kind) for name, kind in COLUMNS.items()}

    def _states(
        self, sign: Column, group: Column, row: Column, plane: Column, output: Column
    ) -> npt.NDArray[np.float64]:
        total, difference = (_taken(each, group, row, plane, output).double().numpy() for each in self._pairs)
        return np.asarray((total + sign * difference) / 2, np.float64)

    def _targets(self, plane: Column, negative: Column, group: Column, row: Column, output: Column) -> Column:
        """Levels from 0 (OFF) to 1 (ON)."""
        if self._cells.levels is not None:
            return _taken(self._cells.levels, plane, negative, group, row, output).numpy()
        weights = _taken(self._cells.integers, group, row, output)
        targets = np.empty(len(plane), np.float32)
        for number in range(plane[0], plane[-1] + 1):
            here = plane == number
            (_, *both) = next(islice(self.layout.targets(weights[torch.from_numpy(here)]), number, None))
            positive, opposite = (each.float().numpy() for each in both)
            targets[here] = np.where(negative[here], opposite, positive)
        return targets


def _taken(values: Tensor, *places: Column) -> Tensor:
    """Elements of a tensor at places, on the CPU."""
    return values[tuple(torch.from_numpy(each).to(values.device) for each in places)].cpu()
