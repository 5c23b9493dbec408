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
from torch import Tensor

from memrix._support import compilation
from memrix._support.threads import side_by_side
from memrix.crossbar.ladder import is_plain
from memrix.crossbar.mapping import POLARITIES, Layout
from memrix.crossbar.pairs import CellTechnology, Pairs
from memrix.crossbar.reach import Arriving
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
    span = parameters.low_resistance_conductance, parameters.high_resistance_conductance
    # Of the variance of a cell's noise, 4 k T B G + 2 e B G U: what does not depend on the voltage that arrives.
    thermal = 2 * BOLTZMANN * temperature
    thermal /= thermal + ELEMENTARY_CHARGE * volts
    total, difference, line_states, conductance, arrived = _fold(pairs, layout, wires, span, thermal)
    share = arrived / conductance if conductance else 1.0
    if share < _LEAST:
        raise SettingsError(
            f"these wires let {share:.2%} of the current of the cells arrive: wires of {wires.around(layout.tile)}; "
            f"give less resistance or smaller tiles"
        )
    exposed = None
    if pairs.exposed is not None:
        exposed = replace(
            pairs.exposed, arriving=_arriving(pairs, pairs.exposed.places, layout, wires, span, thermal)
        )
    seen = replace(pairs, difference=difference, total=total, line_states=line_states)
    return replace(seen, exposed=exposed, wire_share=share)


def _fold(
    pairs: Pairs, layout: Layout, wires: Wires, span: tuple[float, float], thermal: float
) -> tuple[Tensor, Tensor, Tensor, float, float]:
    """Pairs as readings see them, the conductance of all cells, and what counts of it, in S.

    Pairs are their sum, their difference, and the sums of the states that drivers see, ``[tiles, rows]``: of each
    cell the voltage that arrives, and all of the current that it makes there.

    ``span``: conductances of the states 0 and 1; ``thermal``: share of a cell's noise that no voltage changes.
    """
    if compilation.AVAILABLE and is_plain(pairs.total):
        from memrix.crossbar.wires_compiled import fold_pairs

        return fold_pairs(pairs.total, pairs.difference, layout, wires, span, thermal)
    low, high = span
    silent = low / (low - high)
    total, difference = torch.zeros_like(pairs.total), torch.zeros_like(pairs.difference)
    parts = list(parts_of(layout, wires))
    lines = [total] * len(parts)
    sums = [(0.0, 0.0)] * len(parts)

    def fold(number: int, tiles: slice, rows: int, outputs: slice, columns: int, around: Wires) -> None:
        states, conductances = _cells_of(pairs, layout, span, tiles, rows, outputs, columns)
        voltages, currents, added = seen_through(conductances, around)
        counted, noise = voltages * currents, currents.square() * (thermal + (1 - thermal) * voltages)
        sums[number] = float(conductances.sum()), float((counted * conductances + added).sum())
        mean, variance = (share.mul_(states - silent).add_(silent) for share in (counted, noise))
        mean.sub_(added.mul_(1 / (low - high)))
        put_arrays(mean[0] - mean[1], difference[tiles, :rows], layout, outputs)
        put_arrays(variance[0] + variance[1], total[tiles, :rows], layout, outputs)
        lines[number] = voltages.mul_(states - silent).add_(silent).sum((0, 2, 3, 5))

    side_by_side(fold, range(len(parts)), *zip(*parts, strict=True), device=total.device)
    conductance, arrived = (sum(column) for column in zip(*sums, strict=True))
    line_states = total.new_zeros(total.shape[:2])
    for (tiles, rows, *_), drawn in zip(parts, lines, strict=True):
        line_states[tiles, :rows] += drawn
    return total, difference, line_states, conductance, arrived


def _arriving(
    pairs: Pairs, places: Tensor, layout: Layout, wires: Wires, span: tuple[float, float], thermal: float
) -> Arriving:
    """What wires let through of cells at places of ``ExposedCells``."""
    voltages, currents = ([torch.zeros_like(pairs.total) for _ in range(POLARITIES)] for _ in range(2))

    def solve(tiles: slice, rows: int, outputs: slice, columns: int, around: Wires) -> None:
        _, conductances = _cells_of(pairs, layout, span, tiles, rows, outputs, columns)
        for found, solved in zip((voltages, currents), shares_through(conductances, around), strict=True):
            for all_of_them, of_polarity in zip(found, solved, strict=True):
                put_arrays(of_polarity, all_of_them[tiles, :rows], layout, outputs)

    side_by_side(solve, *zip(*parts_of(layout, wires), strict=True), device=places.device)
    pair, negative = places // POLARITIES, (places % POLARITIES).bool()
    voltage, current = (
        torch.where(negative, found[1].view(-1)[pair], found[0].view(-1)[pair]).clamp_(0, 1)
        for found in (voltages, currents)
    )
    return Arriving(voltage, voltage * current, current.square() * (thermal + (1 - thermal) * voltage))


def _cells_of(
    pairs: Pairs, layout: Layout, span: tuple[float, float], tiles: slice, rows: int, outputs: slice, columns: int
) -> tuple[Tensor, Tensor]:
    """States of positive and negative cells of arrays, and their conductances in S: ``[2, ..., rows, columns]``."""
    low, high = span
    total, difference = (
        arrays_of(tensor[tiles, :rows], layout, outputs, columns) for tensor in (pairs.total, pairs.difference)
    )
    states = torch.stack((total + difference, total - difference)).div_(2)
    return states, (low - states * (low - high)).clamp_(min=0)


def seen_through(conductances: Tensor, wires: Wires) -> tuple[Tensor, Tensor, Tensor]:
    """``Wires.shares`` and ``Wires.sneak`` of positive and negative cells, ``[2, ..., rows, columns]``."""
    if wires.arrays == "separate":
        shares = wires.shares(conductances)
        return *shares, wires.sneak(conductances, *shares)
    cells = interleave(*conductances)
    shares = wires.shares(cells)
    voltages, currents, added = (torch.stack(apart(part)) for part in (*shares, wires.sneak(cells, *shares)))
    return voltages, currents, added


def shares_through(conductances: Tensor, wires: Wires) -> tuple[Tensor, Tensor]:
    """The first two of ``seen_through``, at a tenth of its time."""
    if wires.arrays == "separate":
        return wires.shares(conductances)
    voltages, currents = (torch.stack(apart(part)) for part in wires.shares(interleave(*conductances)))
    return voltages, currents


def parts_of(layout: Layout, wires: Wires) -> Iterator[tuple[slice, int, slice, int, Wires]]:
    """Arrays of one size, whose lines are solved side by side: tiles, rows in use, outputs, columns, wires.

    The last tiles of rows and of columns may be filled in part.
    """
    tiles = layout.groups * layout.row_tiles
    width = min(layout.tile.columns, layout.outputs)
    full = layout.outputs // width * width
    parts = [(slice(0, full), width), (slice(full, layout.outputs), layout.outputs - full)]
    step = max(1, CELLS_TOGETHER // max(1, layout.cells // tiles)) * layout.row_tiles
    for tile in range(layout.row_tiles):
        rows = min(layout.rows, layout.inputs - tile * layout.rows)
        around = wires.beyond(tile % layout.parts * layout.rows)
        for first in range(tile, tiles, step):
            for outputs, columns in parts:
                if columns:
                    yield slice(first, min(first + step, tiles), layout.row_tiles), rows, outputs, columns, around


def _by_plane(values: Tensor, layout: Layout, outputs: slice) -> Tensor:
    """Some outputs of pairs, a view ``[tiles, rows, planes, outputs]``."""
    by_plane: Tensor = values.unflatten(-1, (layout.planes, layout.outputs))  # type: ignore[no-untyped-call]
    return by_plane[..., outputs]


def arrays_of(values: Tensor, layout: Layout, outputs: slice, columns: int) -> Tensor:
    """``[tiles, rows, planes * outputs]`` array by array: ``[tiles, planes, arrays of a plane, rows, columns]``."""
    by_plane = _by_plane(values, layout, outputs)
    by_array: Tensor = by_plane.unflatten(-1, (-1, columns))  # type: ignore[no-untyped-call]
    return by_array.permute(0, 2, 3, 1, 4)


def put_arrays(arrays: Tensor, values: Tensor, layout: Layout, outputs: slice) -> None:
    """The opposite of ``arrays_of``."""
    _by_plane(values, layout, outputs).copy_(arrays.permute(0, 3, 1, 2, 4).flatten(-2))
