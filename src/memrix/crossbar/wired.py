"""Programmed cells as a reading sees them through the wires of their arrays.

The current of a cell is affine in its state: a cell whose current counts ``f`` times is a cell of another state,
nearer to the one that conducts nothing. So wires are one step between programming and reading, and readings take no
longer.
The conductance of a cell is taken at the read voltage of the device: that the shape of ``I(U)`` differs from state to
state is neglected (``memrix.crossbar.nodal`` with true cells tells how much that is).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from memrix._support.threads import side_by_side
from memrix.crossbar.mapping import Layout
from memrix.crossbar.pairs import CellTechnology, Pairs
from memrix.crossbar.wires import Wires, apart, interleave
from memrix.device.current import BOLTZMANN, ELEMENTARY_CHARGE
from memrix.errors import SettingsError

CELLS_TOGETHER = 1 << 20  # cells whose lines are solved at once
_LEAST = 0.01  # share of the currents below which a chip cannot be meant


def through_wires(
    pairs: Pairs, layout: Layout, technology: CellTechnology, wires: Wires, *, volts: float, temperature: float
) -> Pairs:
    """Pairs as readings see them; the same ones where wires are ideal.

    Lines that hold no weight are cut off: an array is as large as what is used of it.

    Args:
        pairs: as programmed.
        layout: digits and tiles.
        technology: the cells.
        wires: of every array.
        volts: largest voltage of a reading, in V, where the share of shot noise in the noise of a cell is taken.
        temperature: in K.

    Raises:
        SettingsError: next to nothing arrives.
    """
    if wires.ideal:
        return pairs
    parameters = technology.parameters
    low, high = parameters.low_resistance_conductance, parameters.high_resistance_conductance
    silent = low / (low - high)
    # Of the variance of a cell's noise, 4 k T B G + 2 e B G U: what does not depend on the voltage that arrives.
    thermal = 2 * BOLTZMANN * temperature
    thermal /= thermal + ELEMENTARY_CHARGE * volts
    difference, total = torch.empty_like(pairs.difference), torch.empty_like(pairs.total)
    parts = list(_together(layout))
    counts = [(0.0, 0.0)] * len(parts)  # conductance of cells, and what counts of it

    def fold(number: int, tiles: slice) -> None:
        total_here, difference_here = (_arrays(tensor[tiles], layout) for tensor in (pairs.total, pairs.difference))
        states = torch.stack((total_here + difference_here, total_here - difference_here)).div_(2)
        exist = _exist(tiles, layout, states.device)
        conductances = (low - states * (low - high)).clamp_(min=0).mul_(exist)
        voltages, currents = _shares(conductances, wires)
        counted, noise = voltages * currents, currents.square() * (thermal + (1 - thermal) * voltages)
        counts[number] = float(conductances.sum()), float((counted * conductances).sum())
        mean, variance = (share.mul_(states - silent).add_(silent).mul_(exist) for share in (counted, noise))
        difference[tiles] = _tiles(mean[0] - mean[1], layout)
        total[tiles] = _tiles(variance[0] + variance[1], layout)

    side_by_side(fold, range(len(parts)), parts, device=difference.device)
    conductance, arrived = (sum(column) for column in zip(*counts, strict=True))
    share = arrived / conductance if conductance else 1.0
    if share < _LEAST:
        raise SettingsError(
            f"these wires let {share:.2%} of the current of the cells arrive: wires of "
            f"{wires.word_line:g} and {wires.bit_line:g} ohm a cell, drivers of {wires.driver_ohms:g} ohm and "
            f"sense amplifiers of {wires.sense_ohms:g} ohm around arrays of {layout.tile.rows} x "
            f"{layout.tile.columns} cells; give less resistance or smaller tiles"
        )
    return replace(pairs, difference=difference, total=total, wire_share=share)


def _shares(conductances: Tensor, wires: Wires) -> tuple[Tensor, Tensor]:
    """``Wires.shares`` of positive and negative cells, ``[2, ..., rows, columns]``."""
    if wires.arrays == "separate":
        return wires.shares(conductances)
    voltages, currents = wires.shares(interleave(*conductances))
    return torch.stack(apart(voltages)), torch.stack(apart(currents))


def _together(layout: Layout) -> Iterator[slice]:
    """Tiles of rows whose lines are solved side by side."""
    tiles = layout.groups * layout.row_tiles
    cells = max(1, layout.cells // tiles)
    step = max(1, CELLS_TOGETHER // cells)
    return (slice(start, min(start + step, tiles)) for start in range(0, tiles, step))


def _exist(tiles: slice, layout: Layout, device: torch.device) -> Tensor:
    """1 where there is a cell, ``[tiles, 1, column tiles, rows, columns]``: the last tiles may be filled in part."""
    tile = torch.arange(tiles.start, tiles.stop, device=device).remainder(layout.row_tiles)
    row = tile[:, None] * layout.rows + torch.arange(layout.rows, device=device)
    columns = min(layout.tile.columns, layout.outputs)
    column = torch.arange(-(-layout.outputs // columns) * columns, device=device).view(-1, columns)
    return ((row < layout.inputs)[:, None, None, :, None] & (column < layout.outputs)[:, None]).float()


def _arrays(values: Tensor, layout: Layout) -> Tensor:
    """``[tiles, rows, planes * outputs]`` array by array: ``[tiles, planes, column tiles, rows, columns]``."""
    columns = min(layout.tile.columns, layout.outputs)
    by_plane = values.unflatten(-1, (layout.planes, layout.outputs))  # type: ignore[no-untyped-call]
    filled = nn.functional.pad(by_plane, (0, -layout.outputs % columns))
    return filled.view(*filled.shape[:-1], -1, columns).permute(0, 2, 3, 1, 4)


def _tiles(arrays: Tensor, layout: Layout) -> Tensor:
    """The opposite of ``_arrays``."""
    by_plane = arrays.permute(0, 3, 1, 2, 4).flatten(-2)[..., : layout.outputs]
    return by_plane.flatten(-2)
