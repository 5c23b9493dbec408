"""Cells that are simulated together, and all that their future depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# What a block holds beside the states ``r``, and along which dimension the cells lie.
BLOCK_AXES = {
    "devices": 1,
    "history": 0,
    "ahead": 0,
    "left": 0,
    "cycles": 0,
    "features": 1,
    "set_threshold": 0,
    "reset_threshold": 0,
    "transition": 0,
}


@dataclass(eq=False)
class Block:
    """Cells that are simulated together: tensors over ``[cells]``, float32 unless said otherwise.

    Attributes:
        r: state, 0 at the low- and 1 at the high-resistance extreme.
        devices: ``[8, cells]``: offsets and scales of the features.
        history: ``[cells, slots, 4]``: normal scores of the last cycles drawn, from the oldest to the newest.
        ahead: ``[cells, depth, 4]``: features of cycles that were drawn and are still to come, the last one last.
        left: int64, how many of them are still to come.
        cycles: int32, how often a cell has left the low-resistance state.
        features: ``[4, cells]`` of the present cycle: OFF state, SET voltage, ON state, RESET voltage.
        set_threshold: V; a pulse at or below it sets the cell. Minus infinity while the cell is ON.
        reset_threshold: V; a pulse above it resets the cell. Infinity while the cell is OFF.
        transition: ``[cells, 2]``: amplitude and floor, in A, of the current along a partial reset.
        normals: gives the normal numbers ``[4, len(index)]`` of a new cycle to the cells of an index.
    """

    r: Tensor
    devices: Tensor
    history: Tensor
    ahead: Tensor
    left: Tensor
    cycles: Tensor
    features: Tensor
    set_threshold: Tensor
    reset_threshold: Tensor
    transition: Tensor
    normals: Callable[[Tensor], Tensor]

    def chosen(self, index: Tensor) -> Block:
        """A copy of the cells of an index; it draws the same normal numbers."""
        parts = {name: getattr(self, name).index_select(axis, index) for name, axis in BLOCK_AXES.items()}
        return Block(r=self.r.index_select(0, index), normals=self.normals, **parts)

    def to(self, device: torch.device) -> Block:
        """The cells on another device."""
        parts = {name: getattr(self, name).to(device) for name in ("r", *BLOCK_AXES)}
        return Block(normals=self.normals, **parts)

    @classmethod
    def joined(cls, blocks: Sequence[Block]) -> Block:
        """One block of the cells of several; it draws the normal numbers of the first."""
        parts = {
            name: torch.cat([_with_room(block, name, blocks) for block in blocks], dim=axis)
            for name, axis in BLOCK_AXES.items()
        }
        return cls(r=torch.cat([block.r for block in blocks]), normals=blocks[0].normals, **parts)

    def within_reach(self, lowest: float, highest: float) -> tuple[Tensor, Tensor]:
        """Which cells ``lowest`` V, at most 0, would SET, and which ``highest`` V, at least 0, would RESET."""
        none = torch.zeros_like(self.set_threshold, dtype=torch.bool)
        sets = self.set_threshold >= lowest if lowest < 0 else none
        return sets, self.reset_threshold < highest if highest > 0 else none


def _with_room(block: Block, name: str, others: Sequence[Block]) -> Tensor:
    """A part of a block with as many slots as the one of ``others`` that has most; the newest are the last."""
    part: Tensor = getattr(block, name)
    if name not in ("history", "ahead"):
        return part
    slots = max(getattr(other, name).shape[1] for other in others)
    return torch.nn.functional.pad(part, (0, 0, slots - part.shape[1], 0))
