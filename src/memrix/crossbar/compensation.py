"""Programming for the wires: levels of cells that wires turn into the weights that were wanted.

A cell of conductance ``C`` counts as one of ``f * C`` in an array with wires (``memrix.crossbar.ladder``), and what
counts of a differential pair is the difference of two cells. So the wanted levels are those of
``f+ * C+ - f- * C- = s * (G+ - G-)``: cells far from driver and sense amplifier are programmed to conduct more. The
scale ``s`` of an output is the largest at which none of its cells leaves the range between OFF and ON, and a digital
gain takes ``1 / s`` back. Where both cells of a pair are to be OFF, the one of which more arrives is OFF, and the
other one as much above it as it takes: cells that conduct more than they must would only load the lines.

Cells are verified one at a time, with all others isolated: what lines take of a cell's own current then follows from
its place, and the circuit that reads it back is taken to expect that. So a cell is brought to its level as without
wires, and all that the wires do is in the levels.

The levels and the scales are solved together. What counts of each cell follows from the conductances of all of them,
these from what counts and the scales, and these from what counts of the cells that have least: over and over, in
compiled loops on a CPU (``memrix.crossbar.compensation_kernels``, the same bits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from memrix._support import compilation
from memrix._support.threads import side_by_side
from memrix.crossbar.ladder import is_plain
from memrix.crossbar.mapping import Layout
from memrix.crossbar.pairs import CellTechnology
from memrix.crossbar.wired import parts_of, seen_through
from memrix.crossbar.wires import Wires
from memrix.errors import SettingsError

_LEAST_SCALE = 0.01
_NO_SCALE = 1e-6
_ROUNDS = 100  # some five are enough, unless next to nothing arrives
_SETTLED = 3e-4  # of a conductance, left to settle: a third of a step of a 10-bit converter that reads back
_LEAST_RATE = 0.1  # of what a round leaves of the change before: the first ones leave less than those that follow
_MARGIN = 1e-3  # below the largest scale, for what is left to settle
# What is gone further than a round leads, once no share changes by more than that: what is left falls to some fifth
# each round, and comes from the same side.
_FURTHER, _NEAR = 0.2, 0.3


class Compensation(NamedTuple):
    """What cells behind wires are programmed to.

    Attributes:
        levels: from 0 (OFF) to 1 (ON), float32 ``[planes, polarities, groups, inputs, outputs]``.
        scale: of what wires make of them, over the weights: float32 ``[groups, outputs]``, 1 at most.
    """

    levels: Tensor
    scale: Tensor


def compensated(
    integers: Tensor, layout: Layout, technology: CellTechnology, wires: Wires, *, name: str
) -> Compensation:
    """The levels with which pairs that are seen through wires are those of the weights, times a scale per output.

    Args:
        integers: weights, ``[groups, inputs, outputs]``.
        layout: digits and tiles.
        technology: the cells; their protocol reaches levels.
        wires: of every array.
        name: of the layer, for messages.

    Raises:
        SettingsError: no scale leaves all cells within the range of the protocol.
    """
    wanted = torch.stack([torch.stack(both) for _, *both in layout.targets(integers)]).float()
    scale = torch.ones_like(wanted[0, 0, :, 0])
    if wires.ideal or not wanted.numel():
        return Compensation(wanted, scale)
    array = _Array.of(layout, technology, wires)
    # Of the current of each cell, what counts: at first all of it, so that cells have the levels of no wires.
    counts, before = torch.ones_like(wanted), 0.0
    for _ in range(_ROUNDS):
        room, moved = array.settle_(wanted, counts, scale, _FURTHER if 0 < before < _NEAR else 0.0)
        now = room.clamp_(_NO_SCALE, 1).mul_(1 - _MARGIN)
        moved = max(moved, float((now / scale - 1).abs_().max()))
        scale = now
        # What is left of a geometric series.
        rate = max(moved / before, _LEAST_RATE) if before else 1.0
        if rate < 1 and moved * rate / (1 - rate) <= _SETTLED:
            break
        before = moved
    else:
        scale = scale.clamp_(max=_NO_SCALE)
    # What arrives may be too little for a number, and nothing counts then.
    if float(scale.min()) < _LEAST_SCALE or not float(counts.min()) > 0:
        raise SettingsError(
            f"no level of the cells of layer {name!r} makes up for its wires ({wires.around(layout.tile)}): "
            f"there is no scale from {_LEAST_SCALE:g} on for every output; give smaller tiles or less resistance, or "
            f"a protocol with a larger range between OFF and ON"
        )
    return Compensation(array.levels(wanted, counts, scale), scale)


@dataclass(frozen=True)
class _Array:
    """Conductances of OFF and ON cells in S, where cells lie, and the wires around them.

    Attributes:
        off: the lowest conductance.
        on: the highest.
        layout: digits and tiles.
        wires: of every array.
    """

    off: float
    on: float
    layout: Layout
    wires: Wires

    @classmethod
    def of(cls, layout: Layout, technology: CellTechnology, wires: Wires) -> _Array:
        parameters = technology.parameters
        low, high = parameters.low_resistance_conductance, parameters.high_resistance_conductance
        on, off = (low - state * (low - high) for state in technology.nominal_states)
        return cls(off, on, layout, wires)

    def settle_(self, wanted: Tensor, counts: Tensor, scale: Tensor, further: float) -> tuple[Tensor, float]:
        """One round: what counts of the cells that follow from what counted before.

        Args:
            wanted: levels without wires, ``[planes, polarities, groups, inputs, outputs]``.
            counts: share of each cell's current that counts, likewise; overwritten.
            scale: of the outputs, ``[groups, outputs]``.
            further: of a change, what is added to it.

        Returns:
            The largest scales that leave all cells within their range, and by how much of itself a share changed.
        """
        layout = self.layout
        if compilation.AVAILABLE and is_plain(wanted):
            from memrix.crossbar.wires_compiled import settle_levels

            return settle_levels(wanted, counts, scale, layout, self.wires, (self.off, self.on), further)
        parts = list(parts_of(layout, self.wires))
        rooms, moved = scale.new_empty(layout.row_tiles, *scale.shape), [0.0] * len(parts)

        def settle(number: int, tiles: slice, rows: int, outputs: slice, columns: int, around: Wires) -> None:
            tile, groups = tiles.start % layout.row_tiles, _groups(tiles, layout)
            place = layout, tile, groups, rows, outputs, columns
            here, counted = _arrays(wanted, *place), _arrays(counts, *place)
            by_array = scale[groups, outputs].unflatten(-1, (-1, columns))[:, None, :, None]  # type: ignore[no-untyped-call]
            cells = self._conductances(here, counted, counted.amax(0), by_array)
            voltages, currents, added = seen_through(cells, around)
            arriving = voltages.mul_(currents).add_(added.div_(cells))
            change = arriving - counted
            moved[number] = float((change / arriving).abs_().max())
            counted.copy_(change.mul_(1 + further).add_(counted))
            least = counted.amax(0).mul_(self.off)
            room = (
                (counted * self.on).sub_(least).div_(here * (self.on - self.off)).masked_fill_(here == 0, torch.inf)
            )
            rooms[tile, groups, outputs] = room.amin((0, 2, 4)).flatten(1)

        side_by_side(settle, range(len(parts)), *zip(*parts, strict=True), device=wanted.device)
        return rooms.amin(0), max(moved)

    def levels(self, wanted: Tensor, counts: Tensor, scale: Tensor) -> Tensor:
        """Levels from 0 to 1, where possible in the memory of ``wanted``."""
        if compilation.AVAILABLE and is_plain(wanted):
            from memrix.crossbar.wires_compiled import settled_levels_

            return settled_levels_(wanted, counts, scale, self.layout, self.wires, (self.off, self.on))
        most = counts.amax(1, keepdim=True)
        cells = self._conductances(wanted, counts, most, scale[:, None])
        return cells.sub_(self.off).div_(self.on - self.off).clamp_(0, 1)

    def _conductances(self, wanted: Tensor, counts: Tensor, most: Tensor, scale: Tensor) -> Tensor:
        """Cells of which as much counts as is wanted, within their range.

        ``most``: what counts of either cell of a pair, at most.
        """
        return (wanted * (scale * (self.on - self.off))).add_(most * self.off).div_(counts).clamp_(max=self.on)


def _groups(tiles: slice, layout: Layout) -> slice:
    """Groups that tiles are of, of which each has one."""
    numbers = range(tiles.start, tiles.stop, tiles.step)
    return slice(numbers[0] // layout.row_tiles, numbers[-1] // layout.row_tiles + 1)


def _arrays(
    values: Tensor, layout: Layout, tile: int, groups: slice, rows: int, outputs: slice, columns: int
) -> Tensor:
    """Of all cells, those of arrays, a view ``[polarities, groups, planes, arrays of a plane, rows, columns]``."""
    first = tile * layout.rows
    here = values[:, :, groups, first : first + rows, outputs]
    by_array: Tensor = here.unflatten(-1, (-1, columns))  # type: ignore[no-untyped-call]
    return by_array.permute(1, 2, 0, 4, 3, 5)
