"""Cells that are simulated together, and all that their future depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix.device.variability import COUNT

# What a block holds beside the states ``r``, and along which dimension the cells lie.
BLOCK_AXES = {
    "devices": 1,
    "history": 0,
    "cycles": 0,
    "features": 1,
    "set_threshold": 0,
    "reset_threshold": 0,
    "transition": 0,
}
_ALL_AXES = {"r": 0, **BLOCK_AXES, "numbers": 0}


@dataclass(eq=False)
class Block:
    """Cells that are simulated together: tensors over ``[cells]``, float32 unless said otherwise.

    Attributes:
        r: state, 0 at the low- and 1 at the high-resistance extreme.
        devices: ``[8, cells]``: offsets and scales of the features.
        history: ``[cells, slots, 4]``: normal scores of the last cycles, from the oldest to the present one; zeros in
            place of cycles that were not.
        cycles: int32, how often a cell has left the low-resistance state.
        features: ``[4, cells]`` of the present cycle: OFF state, SET voltage, ON state, RESET voltage.
        set_threshold: V; a pulse at or below it sets the cell. Minus infinity while the cell is ON.
        reset_threshold: V; a pulse above it resets the cell. Infinity while the cell is OFF.
        transition: ``[cells, 2]``: amplitude and floor, in A, of the current along a partial reset.
        numbers: int64, of the cells, by which they draw.
        stream: of their cycles to come.
    """

    r: Tensor
    devices: Tensor
    history: Tensor
    cycles: Tensor
    features: Tensor
    set_threshold: Tensor
    reset_threshold: Tensor
    transition: Tensor
    numbers: Tensor
    stream: Stream

    def chosen(self, index: Tensor) -> Block:
        """A copy of the cells of an index."""
        parts = {name: getattr(self, name).index_select(axis, index) for name, axis in _ALL_AXES.items()}
        return Block(stream=self.stream, **parts)

    def to(self, device: torch.device) -> Block:
        """The cells on another device."""
        return Block(stream=self.stream, **{name: getattr(self, name).to(device) for name in _ALL_AXES})

    @classmethod
    def none(cls, slots: int, device: torch.device) -> Block:
        """No cell at all; ``slots``: of its history."""

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(shape, dtype=dtype, device=device)

        return cls(
            r=empty(0),
            devices=empty(2 * COUNT, 0),
            history=empty(0, slots, COUNT),
            cycles=empty(0, dtype=torch.int32),
            features=empty(COUNT, 0),
            set_threshold=empty(0),
            reset_threshold=empty(0),
            transition=empty(0, 2),
            numbers=empty(0, dtype=torch.int64),
            stream=Stream(0),
        )

    @classmethod
    def joined(cls, blocks: Sequence[Block]) -> Block:
        """One block of the cells of several, which all draw from the stream of the first."""
        parts = {
            name: torch.cat([_with_room(block, name, blocks) for block in blocks], dim=axis)
            for name, axis in _ALL_AXES.items()
        }
        return cls(stream=blocks[0].stream, **parts)

    def within_reach(self, lowest: float, highest: float) -> tuple[Tensor, Tensor]:
        """Which cells ``lowest`` V, at most 0, would SET, and which ``highest`` V, at least 0, would RESET."""
        none = torch.zeros_like(self.set_threshold, dtype=torch.bool)
        sets = self.set_threshold >= lowest if lowest < 0 else none
        return sets, self.reset_threshold < highest if highest > 0 else none


def _with_room(block: Block, name: str, others: Sequence[Block]) -> Tensor:
    """A part of a block, its history with as many slots as the one of ``others`` that has most."""
    part: Tensor = getattr(block, name)
    if name != "history":
        return part
    slots = max(getattr(other, name).shape[1] for other in others)
    return torch.nn.functional.pad(part, (0, 0, slots - part.shape[1], 0))
