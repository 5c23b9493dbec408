"""``fresh_kernels``, ``cycle_kernels`` and ``draw_kernels`` for tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix.device.block import Block
from memrix.device.cell_numbers import arrays_of, technology_of
from memrix.device.cycle_kernels import enter_next_cycles
from memrix.device.draws import CellStreams
from memrix.device.fresh_kernels import RESETS, SETS, begin, draw_states
from memrix.device.reach import ReadRange
from memrix.device.switching import Switching


def keys_of(stream: Stream) -> tuple[np.uint64, np.uint64]:
    """The key of a stream as kernels take it."""
    low, high = stream.keys
    return np.uint64(low), np.uint64(high)


def draw(
    switching: Switching, streams: CellStreams, first: int, on: Tensor, state: Tensor, reads: ReadRange | None
) -> tuple[Tensor, Tensor]:
    """As ``fresh._draw``, of cells from number ``first`` on."""
    lowest, highest = (0.0, 0.0) if reads is None else (reads.lowest, reads.highest)
    reached = np.empty(on.numel(), np.uint8)
    draw_states(
        state.numpy(),
        reached,
        on.contiguous().numpy(),
        technology_of(switching),
        first,
        keys_of(streams.devices),
        keys_of(streams.cycles),
        np.float32(lowest),
        np.float32(highest),
    )
    found = torch.from_numpy(reached)
    return found == SETS, found == RESETS


def begin_block(switching: Switching, block: Block, streams: CellStreams) -> None:
    """Draw devices and first cycle of a block of consecutive cells."""
    if block.r.numel():
        begin(arrays_of(block), technology_of(switching), keys_of(streams.devices), keys_of(streams.cycles))


def next_cycle(switching: Switching, block: Block, index: Tensor) -> None:
    """Let cells enter their next cycle, for which there is room."""
    enter_next_cycles(arrays_of(block), technology_of(switching), index.numpy(), keys_of(block.stream))
