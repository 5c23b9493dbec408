"""Cells that readings may switch: those with a threshold between the voltages of word lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from memrix.device.block import Block


@dataclass(frozen=True)
class ReadRange:
    """The voltages of word lines during readings.

    Attributes:
        lowest: V, at most 0.
        highest: V, at least 0.
        kept: whether the cells that these switch are to be kept whole, and not just known.
    """

    lowest: float
    highest: float
    kept: bool = False


@dataclass(frozen=True, eq=False)
class WithinReach:
    """Cells with a threshold that the lowest or the highest voltage of a range lies beyond.

    Attributes:
        index: int64 ``[n]``, flat positions in ascending order.
        sets: bool ``[n]``: whether the lowest voltage SETs a cell.
        resets: bool ``[n]``: whether the highest voltage RESETs it.
        cells: the cells themselves, where they are kept.
    """

    index: Tensor
    sets: Tensor
    resets: Tensor
    cells: Block | None

    @classmethod
    def none(cls, device: torch.device, *, slots: int | None = None) -> WithinReach:
        """No cell at all; ``slots``: of the history of cells, where they are kept."""
        cells = None if slots is None else Block.none(slots, device)
        never = torch.zeros(0, dtype=torch.bool, device=device)
        return cls(torch.zeros(0, dtype=torch.int64, device=device), never, never, cells)

    @classmethod
    def joined(cls, parts: Sequence[WithinReach], lengths: Sequence[int]) -> WithinReach:
        """Those of arrays one after the other.

        Args:
            parts: of each array, at least one.
            lengths: number of cells of each array.
        """
        starts = accumulate(lengths, initial=0)
        blocks = [part.cells for part in parts if part.cells is not None]
        return cls(
            torch.cat([part.index + start for part, start in zip(parts, starts, strict=False)]),
            torch.cat([part.sets for part in parts]),
            torch.cat([part.resets for part in parts]),
            Block.joined(blocks) if blocks else None,
        )

    def chosen(self, mask: Tensor) -> WithinReach:
        """Those of a bool mask ``[n]``."""
        cells = None if self.cells is None else self.cells.chosen(mask.nonzero().squeeze(1))
        return WithinReach(self.index[mask], self.sets[mask], self.resets[mask], cells)
