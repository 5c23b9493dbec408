"""The cells of a crossbar that readings may switch: how many, and where they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memrix._support.schema import Count
from memrix.crossbar.mapping import POLARITIES, Layout
from memrix.device import ReadRange, WithinReach
from memrix.device.block import Block
from memrix.errors import SettingsError


@dataclass(frozen=True)
class Reach:
    """Cells that a reading at the extreme voltages of the word lines would switch. Stuck cells are not among them.

    Attributes:
        lowest: V.
        highest: V.
        sets: cells that the lowest voltage would SET.
        resets: cells that the highest voltage would RESET.
    """

    lowest: float
    highest: float
    sets: Count
    resets: Count


@dataclass(frozen=True, eq=False)
class Arriving:
    """What wires let through of each of some cells, float32 ``[n]`` each, from 0 to 1.

    Attributes:
        voltage: share of the driver's voltage at the cell.
        current: share that its current counts in a reading, of what it would without wires.
        noise: the same of the variance of its noise.
    """

    voltage: Tensor
    current: Tensor
    noise: Tensor


@dataclass(frozen=True, eq=False)
class ExposedCells:
    """Cells that readings may switch.

    Attributes:
        places: int64 ``[n]``, ascending: twice the position of the pair in ``Pairs.difference``, and 1 more where the
            cell is the negative one.
        cells: themselves.
        reads: the range of voltages that they are within reach of, next to a driver.
        arriving: what wires let through of them; None where wires are ideal.
    """

    places: Tensor
    cells: Block
    reads: ReadRange
    arriving: Arriving | None = None


class FoundInReach:
    """Gathers them while planes are programmed.

    Args:
        reads: voltages of word lines; None: nobody asks.
        layout: of the cells.
    """

    def __init__(self, reads: ReadRange | None, layout: Layout) -> None:
        self._reads, self._layout = reads, layout
        self._sets = self._resets = 0
        self._known = reads is not None
        self._places: list[Tensor] = []
        self._cells: list[Block] = []

    def add(self, within: WithinReach | None, planes: list[int], stuck: Tensor | None) -> None:
        """Add those of cells ``[planes, polarities, groups, inputs, outputs]``, but for ``stuck`` ones (bool)."""
        if within is None:
            self._known = False
            return
        if stuck is not None:
            within = within.chosen(~stuck.view(-1)[within.index])
        self._sets += int(within.sets.sum())
        self._resets += int(within.resets.sum())
        if within.cells is not None:
            self._places.append(self._places_of(within.index, planes))
            self._cells.append(within.cells)

    def _places_of(self, index: Tensor, planes: list[int]) -> Tensor:
        layout = self._layout
        rest, output = index // layout.outputs, index % layout.outputs
        rest, row = rest // layout.inputs, rest % layout.inputs
        rest, group = rest // layout.groups, rest % layout.groups
        plane = torch.tensor(planes, device=index.device)[rest // POLARITIES]
        line = group * (layout.row_tiles * layout.rows) + row
        return ((line * layout.planes + plane) * layout.outputs + output) * POLARITIES + rest % POLARITIES

    def result(self) -> tuple[Reach | None, ExposedCells | None]:
        """How many, where the protocol tells, and the cells where they are kept and there are any.

        Raises:
            SettingsError: cells are to be kept and the protocol does not tell.
        """
        reads = self._reads
        if reads is None or not self._known:
            if reads is not None and reads.kept:
                raise SettingsError(
                    "this programming protocol does not tell which cells are within reach of readings; let its "
                    "program() give 'within_reach' for the 'reads' that it is called with, or set "
                    "device.read_disturb = False"
                )
            return None, None
        exposed = None
        if self._cells:
            places, order = torch.cat(self._places).sort()
            exposed = ExposedCells(places, Block.joined(self._cells).chosen(order), reads)
        return Reach(reads.lowest, reads.highest, self._sets, self._resets), exposed
