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
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from memrix._support.threads import side_by_side
from memrix.crossbar.mapping import Layout
from memrix.crossbar.pairs import CellTechnology, in_tiles, rows_in_use
from memrix.crossbar.wired import arrays_of, parts_of, put_arrays, seen_through, shares_through
from memrix.crossbar.wires import Wires
from memrix.errors import SettingsError

_LEAST_SCALE = 0.01
_ITERATIONS = 100  # some ten are enough, unless next to nothing arrives
_SETTLED = 1e-4  # of the range of conductances: far below what a closed loop misses its targets by
_MARGIN = 1e-3  # below the largest scale, for what is left to settle


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
    digits = torch.stack([torch.stack(both) for _, *both in layout.targets(integers)]).float()
    if wires.ideal or not digits.numel():
        return Compensation(digits, torch.ones_like(digits[0, 0, :, 0]))
    # [polarities, groups * row tiles, rows, planes * outputs]
    wanted = torch.stack([in_tiles(polarity, layout) for polarity in digits.permute(1, 2, 3, 0, 4)])
    cells = _Cells.of(technology, wires)
    conductances, scales = torch.full_like(wanted, cells.off), wanted.new_empty(wanted.shape[1], layout.outputs)
    parts = list(parts_of(layout, wires))
    settled = [False] * len(parts)

    def solve(
        number: int, given: Tensor | None, tiles: slice, rows: int, outputs: slice, columns: int, around: Wires
    ) -> None:
        def arrays(both: Tensor) -> Tensor:
            return torch.stack([arrays_of(polarity[tiles, :rows], layout, outputs, columns) for polarity in both])

        start, scale = None, None
        if given is not None:
            start, by_tile = arrays(conductances), given.repeat_interleave(layout.row_tiles, 0)[tiles, outputs]
            scale = by_tile.unflatten(-1, (-1, columns))[:, None, :, None]  # type: ignore[no-untyped-call]
        found, found_scale, settled[number] = replace(cells, wires=around).solve(arrays(wanted), start, scale)
        for polarity, into in zip(found, conductances, strict=True):
            put_arrays(polarity, into[tiles, :rows], layout, outputs)
        scales[tiles, outputs] = found_scale.flatten(1)

    side_by_side(solve, range(len(parts)), [None] * len(parts), *zip(*parts, strict=True), device=wanted.device)
    # Results of tiles below each other are added up before the gain.
    scale = scales.view(layout.groups, layout.row_tiles, -1).amin(1).mul_(1 - _MARGIN)
    if float(scale.min()) >= _LEAST_SCALE:
        side_by_side(solve, range(len(parts)), [scale] * len(parts), *zip(*parts, strict=True), device=wanted.device)
    if float(scale.min()) < _LEAST_SCALE or not all(settled):
        raise SettingsError(
            f"no level of the cells of layer {name!r} makes up for its wires ({wires.around(layout.tile)}): "
            f"there is no scale from {_LEAST_SCALE:g} on for every output, the smallest tried was "
            f"{max(0.0, float(scale.min())):.2g}; give smaller tiles or less resistance, or a protocol with a larger "
            f"range between OFF and ON"
        )
    levels = conductances.sub_(cells.off).div_(cells.on - cells.off).clamp_(0, 1)
    by_polarity = torch.stack([rows_in_use(polarity, layout) for polarity in levels])
    return Compensation(by_polarity.permute(3, 0, 1, 2, 4).contiguous(), scale)


@dataclass(frozen=True)
class _Cells:
    """Conductances of OFF and ON cells in S, and the wires around them."""

    off: float
    on: float
    wires: Wires

    @classmethod
    def of(cls, technology: CellTechnology, wires: Wires) -> _Cells:
        parameters = technology.parameters
        low, high = parameters.low_resistance_conductance, parameters.high_resistance_conductance
        on, off = (low - state * (low - high) for state in technology.nominal_states)
        return cls(off, on, wires)

    def solve(self, wanted: Tensor, start: Tensor | None, scale: Tensor | None) -> tuple[Tensor, Tensor, bool]:
        """Conductances, scales of columns, and whether they have settled.

        Args:
            wanted: digits as levels of both cells of pairs, ``[2, tiles, planes, arrays, rows, columns]``.
            start: conductances to start from; None: those without wires.
            scale: of columns, ``[tiles, 1, arrays, 1, columns]``; None: the largest that is possible, to be found.
        """
        # Beyond some conductance more of it lets less arrive: from below, there are cells of the same scale.
        below = wanted.mul(self.on - self.off).add_(self.off)
        if scale is None:
            return self._iterate(wanted, below, torch.ones_like(wanted[0, :, :1, :, :1]), search=True)
        found = self._iterate(wanted, below if start is None else start, scale)
        return found if found[2] else self._iterate(wanted, below, scale)

    def _iterate(
        self, wanted: Tensor, conductances: Tensor, scale: Tensor, *, search: bool = False
    ) -> tuple[Tensor, Tensor, bool]:
        window, sneak = self.on - self.off, None
        for _ in range(_ITERATIONS):
            if exact := sneak is None:
                voltages, currents, added = seen_through(conductances, self.wires)
                sneak = added.div_(conductances)
            else:
                voltages, currents = shares_through(conductances, self.wires)
            share = voltages.mul_(currents).add_(sneak)
            least = share.amax(0).mul_(self.off)  # what counts of either cell of a pair that holds 0
            change = 0.0
            if search:
                room = share.mul(self.on).sub_(least).div_(wanted.mul(window)).masked_fill_(wanted == 0, torch.inf)
                # Halfway on a logarithmic scale: a smaller scale leaves more room, and so on.
                now = room.amin((0, 2, 4), keepdim=True)[0].clamp_(0, 1).mul_(scale).sqrt_()
                change, scale = float((now - scale).abs().max()), now
            again = torch.mul(wanted, window * scale).add_(least).div_(share).clamp_(self.off, self.on)
            change = max(change, float((again - conductances).abs().max()) / window)
            conductances = again
            if change < _SETTLED and exact:
                return conductances, scale, True
            if change < _SETTLED:
                sneak = None  # small, slow to compute, and hardly another one: once more at the end
        return conductances, scale, False
