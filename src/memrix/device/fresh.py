"""States of a fresh array after reset-set, without pulses."""

from __future__ import annotations

import torch
from torch import Tensor

from memrix._support import compilation
from memrix._support.streams import Stream
from memrix._support.threads import side_by_side
from memrix.device.block import Block
from memrix.device.draws import CellStreams, device_normals
from memrix.device.indexing import positions
from memrix.device.parameters import DeviceParameters
from memrix.device.reach import ReadRange, WithinReach
from memrix.device.switching import Switching, switching_of

# Cells at a time: what they are computed from fits a second-level cache. No result depends on it.
_CHUNK = 1 << 15


class FreshCells:
    """Cells that were never switched, after +2 V (reset) and, for ON cells, -2 V (set).

    A fresh OFF cell depends on the high-resistance feature of its first cycle alone and a fresh ON cell on the
    low-resistance one, and each on one threshold where readings may switch it: what else ``Cells`` would simulate is
    left out (Hennen et al., 10.3389/fnins.2022.941753). The cells are the same.
    """

    def __init__(self, parameters: DeviceParameters) -> None:
        self.parameters = parameters

    def draw(self, on: Tensor, *, chip: Stream, programming: Stream, first: int = 0) -> Tensor:
        """States ``r`` of cells, float32 of the shape of ``on``.

        Every cell draws its device from ``chip`` and its cycle from ``programming`` whatever its target, so the
        same chip seed is the same chip under other weights too.

        Args:
            on: bool, any shape: cells to be left in the low-resistance state.
            chip: stream of the device-to-device draw.
            programming: stream of the cycle-to-cycle draw.
            first: number of the first cell.
        """
        return self.draw_within(None, on, chip=chip, programming=programming, first=first)[0]

    @torch.no_grad()
    def draw_within(
        self, reads: ReadRange | None, on: Tensor, *, chip: Stream, programming: Stream, first: int = 0
    ) -> tuple[Tensor, WithinReach | None]:
        """States as ``draw`` gives them, and the cells among them that a reading within a range may switch.

        Args:
            reads: the voltages of readings to come; None: no cell is looked for.
            on: which cells are ON, bool of any shape.
            chip: random numbers of the devices.
            programming: random numbers of the cycle.
            first: number of the first cell.
        """
        streams = CellStreams.of_layer(chip, programming, first)
        switching = switching_of(self.parameters, self.parameters.order, on.device)
        state = torch.empty(on.shape, dtype=torch.float32, device=on.device)
        states, targets = torch.split(state.view(-1), _CHUNK), torch.split(on.reshape(-1), _CHUNK)
        found = [WithinReach.none(on.device)] * len(states)

        def draw(number: int, state: Tensor, on: Tensor) -> None:
            numbers = streams.numbers(on.numel(), on.device) + number * _CHUNK
            sets, resets = _draw(switching, streams, numbers, on, state, reads)
            if reads is None:
                return
            index = positions(sets | resets)
            cells = _fresh(switching, streams, numbers[index], on[index]) if reads.kept else None
            found[number] = WithinReach(index, sets[index], resets[index], cells)

        side_by_side(draw, range(len(states)), states, targets, device=on.device)
        if reads is None:
            return state, None
        return state, WithinReach.joined(found, [part.numel() for part in states])


def _fresh(switching: Switching, streams: CellStreams, numbers: Tensor, on: Tensor) -> Block:
    """The cells of such numbers, whole."""
    devices = switching.devices.draw(*device_normals(streams.devices, numbers))
    return switching.fresh(devices, on, numbers, streams.cycles)


def _draw(
    switching: Switching, streams: CellStreams, numbers: Tensor, on: Tensor, state: Tensor, reads: ReadRange | None
) -> tuple[Tensor, Tensor]:
    """Draw states; returns which cells (bool) the lowest voltage of a range SETs, and the highest RESETs."""
    if on.device.type == "cpu" and compilation.AVAILABLE:
        from memrix.device.fresh_compiled import draw

        return draw(switching, streams, int(numbers[0]) if numbers.numel() else 0, on, state, reads)
    cells = _fresh(switching, streams, numbers, on)
    state.copy_(cells.r)
    return cells.within_reach(*((0.0, 0.0) if reads is None else (reads.lowest, reads.highest)))
