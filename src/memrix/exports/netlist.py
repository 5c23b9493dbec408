"""A tile of a chip written as a SPICE netlist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

import memrix
from memrix._support.documents import file_path, whole_file
from memrix._support.streams import Stream
from memrix._support.validation import require_choice, require_integer, shown
from memrix._support.wording import explained
from memrix.crossbar import rows_in_use
from memrix.crossbar.mapping import POLARITIES, Layout
from memrix.device import CellCurrent
from memrix.errors import DataError, InputError, SettingsError
from memrix.exports.cells import TilePlace, activation_of, conductances_of, tile_place
from memrix.exports.choosing import chosen_layer
from memrix.exports.circuit import ArrayCircuit, cell_lines, source_lines
from memrix.exports.present import present_cells
from memrix.nn.crossbar_layer import CrossbarLayer

CellModel = Literal["polynomial", "linear"]
Floats = npt.NDArray[np.float64]


def netlist(
    chip: nn.Module,
    layer: str,
    path: str | Path,
    *,
    tile: int = 0,
    inputs: Tensor | npt.ArrayLike | None = None,
    volts: npt.ArrayLike | None = None,
    cells: CellModel = "polynomial",
    part: int = 0,
) -> None:
    """Write one tile as a SPICE netlist: cells, wires, drivers of one input vector, and virtual grounds.

    An operating point of it (``.op`` is part of the file) gives the currents that arrive at the sense amplifiers, of
    which memrix's ADC converts the difference of a pair: ``i(Vp3)`` of the positive and ``i(Vn3)`` of the negative
    bit line of column 3, in A. The cells are those of the present, as ``memrix.export`` writes them. Read noise and
    converters are not part of the circuit.

    Args:
        chip: as ``memrix.program``, ``memrix.load`` or ``memrix.age`` gave it.
        layer: name of a layer on the chip.
        path: of the file, which is complete or absent.
        tile: number of the tile in the layer, as ``memrix.export`` numbers them.
        inputs: one input vector of the layer, ``[inputs]``, or ``[groups, inputs]`` of a layer of several matrices:
            of a convolution, one window. The DAC makes the voltages of it.
        volts: of the drivers, in V, instead: one for each word line in use. Without either, every word line is at
            the voltage of the largest code.
        cells: ``polynomial``: the current of the device model, ``I(r, U)``, as behavioral sources; or ``linear``:
            resistors of its conductance at the read voltage. Cells that would conduct less than nothing are omitted.
        part: of the rows of the tile, where ``wires.rows_at_once`` reads fewer at once.

    Raises:
        ConversionError: no layer of the model runs on a chip; or its cells cannot be told from what it holds.
        SettingsError: there is no such layer, tile, part or kind of cells; or a vector is given both ways, or to a
            DAC that drives it bit by bit.
        InputError: an input vector of another shape, or one that is not finite; or voltages beyond those that the
            device was measured at.
        WriteError: the weight has changed since it was written.
        DataError: the file cannot be written.
    """
    module = chosen_layer(chip, layer)
    require_choice("cells", cells, get_args(CellModel))
    place = _place(module, layer, tile, part)
    driven = _volts(module, layer, place, inputs, volts)
    target = file_path(path, DataError, "the path of a netlist")
    with explained(DataError, f"{str(path)!r} cannot be written", "name another place"), whole_file(target) as file:
        file.writelines(f"{line}\n".encode() for line in _lines(module, layer, tile, place, driven, cells))


@dataclass(frozen=True)
class _Place:
    """Part of a tile: what of the matrices of a layer lies there."""

    tile: TilePlace
    part: int
    first_row: int  # in the tile
    inputs: slice
    outputs: slice

    @property
    def rows(self) -> range:
        """Numbers of its word lines in the tile."""
        return range(self.first_row, self.first_row + self.inputs.stop - self.inputs.start)


def _place(layer: CrossbarLayer, name: str, tile: int, part: int) -> _Place:
    layout = layer.memrix.programmed.crossbar.layout
    why = f"layer {name!r} has {_count(layout.tiles, 'tile')}"
    require_integer("tile", tile, 0, layout.tiles - 1, why=why)
    place = tile_place(layout, tile)
    first, before = place.row * layout.tile.rows, min((place.row + 1) * layout.tile.rows, layout.inputs)
    at_once = layout.rows_at_once or layout.tile.rows
    parts = -(-(before - first) // at_once)
    require_integer("part", part, 0, parts - 1, why=f"the rows of tile {tile} are read in {_count(parts, 'part')}")
    start = first + part * at_once
    column = place.column * layout.tile.columns
    outputs = slice(column, min(column + layout.tile.columns, layout.outputs))
    return _Place(place, part, part * at_once, slice(start, min(start + at_once, before)), outputs)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def _volts(
    layer: CrossbarLayer,
    name: str,
    place: _Place,
    inputs: Tensor | npt.ArrayLike | None,
    volts: npt.ArrayLike | None,
) -> Floats:
    """Voltages of the drivers, ``[rows]``."""
    crossbar = layer.memrix.programmed.crossbar
    current = CellCurrent(crossbar.cell_parameters)
    dac, rows = crossbar.circuit.dac, len(place.rows)
    if inputs is not None and volts is not None:
        raise SettingsError("give inputs or volts, not both: the DAC makes volts of inputs")
    if volts is not None:
        given, most = (
            _vector(volts, (rows,), f"volts of the {rows} word lines in use"),
            current.parameters.swept_voltage,
        )
        if np.abs(given).max() > most:
            raise InputError(
                f"volts must not lie beyond +-{most:g} V, up to where the currents of device "
                f"{current.parameters.source!r} were measured, got {np.abs(given).max():g} V"
            )
        return given
    levels = dac.mismatched(dac.voltages(current), Stream.of(crossbar.chip_seed, "levels", crossbar.name))
    if inputs is None:
        return np.full(rows, levels[-1])
    if dac.bit_serial:
        raise SettingsError(
            "dac.inputs = 'bit-serial' reads an input vector bit by bit; give the volts of one of these readings"
        )
    if not layer.memrix.geometry.observed:
        raise SettingsError(f"layer {name!r} is given indices, which drive one word line; give volts")
    layout = crossbar.layout
    shape = (layout.groups, layout.inputs)
    vectors = _vector(inputs, shape if layout.groups > 1 else shape[1:], f"inputs of layer {name!r}").reshape(shape)
    step = layer.memrix.activation_step.detach().cpu()
    codes = dac.codes(torch.from_numpy(vectors).float(), step)[place.tile.group, place.inputs]
    return np.asarray(levels[codes.long().numpy() + dac.largest_code], np.float64)


def _vector(values: Tensor | npt.ArrayLike, shape: tuple[int, ...], what: str) -> Floats:
    try:
        plain = values.detach().cpu().double().numpy() if isinstance(values, Tensor) else values
        given = np.asarray(plain, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} must be numbers of shape {list(shape)}, got {shown(values)}") from error
    if given.shape != shape or not np.isfinite(given).all():
        raise InputError(f"{what} must be finite numbers of shape {list(shape)}, got shape {list(given.shape)}")
    return given


def _lines(
    layer: CrossbarLayer, name: str, tile: int, place: _Place, volts: Floats, cells: CellModel
) -> Iterator[str]:
    crossbar = layer.memrix.programmed.crossbar
    current = CellCurrent(crossbar.cell_parameters)
    yield from _head(layer, name, tile, place, cells)
    if cells == "polynomial":
        yield from cell_lines(current.parameters.low_resistance, current.difference)
    arrays = _arrays(layer, place, cells)
    yield from source_lines(place.rows, volts, [column for array in arrays for column in array.columns])
    for array in arrays:
        yield from array.lines()
    yield ".op"
    for array in arrays:
        for column in array.columns:
            yield f".save i(V{column})"
    yield ".end"


def _head(layer: CrossbarLayer, name: str, tile: int, place: _Place, cells: CellModel) -> Iterator[str]:
    """The title, and what the circuit is, as comments."""
    crossbar, wires = layer.memrix.programmed.crossbar, layer.memrix.chip.wires
    layout, parameters = crossbar.layout, crossbar.cell_parameters
    title = " ".join(f"* memrix {memrix.__version__}: tile {tile} of layer {name!r}".split())
    yield title
    yield (
        f"* bit slice {place.tile.plane}, matrix {place.tile.group}, inputs {place.inputs.start} to "
        f"{place.inputs.stop - 1}, outputs {place.outputs.start} to {place.outputs.stop - 1}"
    )
    yield f"* wires: {wires.around(layout.tile)}; {wires.arrays} arrays, driven on {wires.drive}"
    if layout.rows_at_once is not None:
        yield f"* part {place.part} of the rows: the cells of the others carry no current"
    volts = parameters.read_voltage
    yield f"* cells: {cells}" + (f", conductances at {volts:g} V" if cells == "linear" else ", currents in A over V")
    yield "* i(Vp<column>) and i(Vn<column>): currents at the sense amplifiers, in A"
    yield ".options reltol=1e-9 abstol=1e-17 vntol=1e-13"


def _arrays(layer: CrossbarLayer, place: _Place, cells: CellModel) -> list[ArrayCircuit]:
    """The positive and the negative array of a tile, or the one of both."""
    crossbar = layer.memrix.programmed.crossbar
    parameters, layout, wires = crossbar.cell_parameters, crossbar.layout, layer.memrix.chip.wires
    values = _states(layer, place, layout)
    offset, factor = activation = activation_of(crossbar.circuit, parameters, crossbar.nominal_states)
    linear = cells == "linear"
    values = conductances_of(values, parameters, activation) if linear else offset + factor * values
    around = wires.beyond(place.first_row)
    width = values.shape[-1]
    names = [[f"{sign}{column}" for column in range(width)] for sign in ("p", "n")]
    if wires.arrays == "separate":
        return [
            ArrayCircuit(sign, place.rows, names[number], around, values[number], linear)
            for number, sign in enumerate(("p", "n"))
        ]
    columns = [name for pair in zip(*names, strict=True) for name in pair]
    side_by_side = values.transpose(1, 2, 0).reshape(len(place.rows), POLARITIES * width)
    return [ArrayCircuit("", place.rows, columns, around, side_by_side, linear)]


def _states(layer: CrossbarLayer, place: _Place, layout: Layout) -> Floats:
    """States of positive and negative cells, ``[2, rows, columns]``."""
    present = present_cells(layer)
    total, difference = (
        rows_in_use(each, layout)[place.tile.group, place.inputs, place.tile.plane, place.outputs].cpu().double()
        for each in (present.total, present.difference)
    )
    return np.asarray(torch.stack((total + difference, total - difference)).div(2).numpy(), np.float64)
