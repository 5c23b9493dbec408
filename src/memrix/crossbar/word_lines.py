"""Readings that switch cells: what word lines have seen, and what that does to the cells within its reach.

The measured thresholds know no time: whether a cell switches is decided by the lowest and by the highest voltage that
its word line has seen, however often and however long. So a million readings are two pulses. A real reading, shorter
than a pulse of the measurement, may disturb less.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from memrix._support.streams import Stream
from memrix.crossbar.as_programmed import AsProgrammed
from memrix.crossbar.mapping import POLARITIES, Layout
from memrix.crossbar.reach import Arriving, ExposedCells, Reach
from memrix.device import DeviceParameters
from memrix.device.block import BLOCK_AXES, Block
from memrix.device.switching import switching_of

CELL_PARTS = ("r", *BLOCK_AXES)
_DONE = ("seen", "switched", "passes")
STORED = ("places", *CELL_PARTS, *_DONE)  # names of what a file keeps
ARRIVING = ("voltage", "current", "noise")  # and, with wires, of what these let through
FORMER = ("ahead", "left")  # and of what one of before keeps beside: cycles drawn ahead, and how many are to come


class WordLines(nn.Module):
    """The word lines of a crossbar, and the cells that a reading may switch.

    Pulses act after the reading that they belong to, before the next one: first the lowest voltage of every line,
    then the highest. Behind wires a cell is given the share of them that arrives, and its change counts as much in a
    reading as its current did when the wires were solved: that a switched cell changes the voltages of others is
    neglected. A cell that is SET takes the ON state of its cycle; one that is RESET goes along its transition
    as one pulse takes it, and draws its next cycle (``memrix.device.Cells``).

    Args:
        exposed: the cells, as programmed.
        layout: of the crossbar.
        voltages: in V of every DAC code in ascending order.
        parameters: the device technology.
        seed: of the cycles to come: functions of it, of the number of the cell and of the number of the cycle.

    Attributes:
        seed: as above.
        cell_parameters: the device technology.
    """

    places: Tensor  # int64 [cells], ascending: see ``ExposedCells``
    seen: Tensor  # int32 [2, groups, row tiles * rows]: lowest and highest DAC code since the last pulses
    switched: Tensor  # int64 [2]: how often cells were SET and RESET
    passes: Tensor  # int64: how often any were
    voltages: Tensor  # float32 [codes]
    starts: Tensor  # int64 [lines + 1]: the first cell of each line
    nearest: Tensor  # float32 [2, lines]: of the thresholds of a line, the nearest to 0 V that SETs and that RESETs
    voltage: Tensor | None  # with wires, float32 [cells] each: see ``Arriving``
    current: Tensor | None
    noise: Tensor | None

    def __init__(
        self, exposed: ExposedCells, layout: Layout, voltages: Tensor, parameters: DeviceParameters, seed: int
    ) -> None:
        super().__init__()
        self.seed = seed
        self._layout, self.cell_parameters, self._reads = layout, parameters, exposed.reads
        device = exposed.places.device
        lines = layout.row_tiles * layout.rows
        self.register_buffer("places", exposed.places)
        for name in CELL_PARTS:
            self.register_buffer(name, getattr(exposed.cells, name))
        for name in ARRIVING:
            self.register_buffer(name, None if exposed.arriving is None else getattr(exposed.arriving, name))
        seen = torch.zeros((2, layout.groups, lines), dtype=torch.int32, device=device)
        self.register_buffer("seen", seen)
        self.register_buffer("switched", torch.zeros(2, dtype=torch.int64, device=device))
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64, device=device))
        self.register_buffer("voltages", voltages.to(device), persistent=False)
        self._index_lines()

    def _index_lines(self) -> None:
        """Find the cells of every line, and how near to 0 V their thresholds come."""
        lines = torch.arange(self.seen[0].numel() + 1, device=self.places.device)
        self.register_buffer("starts", torch.searchsorted(self._lines(self.places), lines), persistent=False)
        nearest = torch.empty((2, len(lines) - 1), dtype=torch.float32, device=lines.device)
        self.register_buffer("nearest", nearest, persistent=False)
        self._find_nearest(lines[:-1], torch.arange(self.places.numel(), device=lines.device))

    def _lines(self, places: Tensor) -> Tensor:
        return places // (POLARITIES * self._layout.planes * self._layout.outputs)

    def _find_nearest(self, lines: Tensor, cells: Tensor) -> None:
        """Look at the thresholds of all cells of some lines again."""
        line = self._lines(self.places.index_select(0, cells))
        self.nearest[0, lines], self.nearest[1, lines] = -torch.inf, torch.inf
        for nearest, name, which in zip(
            self.nearest, ("set_threshold", "reset_threshold"), ("amax", "amin"), strict=True
        ):
            nearest.scatter_reduce_(0, line, self._at_drivers(name)[cells], which)

    def _at_drivers(self, name: str) -> Tensor:
        """Thresholds of all cells as voltages of their drivers."""
        thresholds = self._buffer(name)
        return thresholds if self.voltage is None else thresholds / self.voltage

    def _buffer(self, name: str) -> Tensor:
        buffer: Tensor = getattr(self, name)
        return buffer

    @torch.no_grad()
    def see_(self, codes: Tensor) -> None:
        """Remember the codes ``[groups, ..., inputs]`` of a reading."""
        if not codes.numel():
            return
        codes = codes.flatten(1, -2)
        lowest, highest = self.seen[:, :, : codes.shape[-1]].unbind(0)
        torch.minimum(lowest, codes.amin(1).to(lowest.dtype), out=lowest)
        torch.maximum(highest, codes.amax(1).to(highest.dtype), out=highest)

    @torch.no_grad()
    def see_rows_(self, rows: Tensor) -> None:
        """Remember that rows of the only group, int64 ``[n]``, were read at the largest code."""
        self.seen[1, 0].index_fill_(0, rows, len(self.voltages) // 2)

    # What is made in inference mode could not be changed outside of it.
    @torch.inference_mode(False)
    @torch.no_grad()
    def act_(
        self,
        difference: Tensor,
        total: Tensor,
        as_programmed: AsProgrammed | None = None,
        line_states: Tensor | None = None,
    ) -> None:
        """Let the voltages since the last time switch the cells of pairs, in place.

        Args:
            difference: ``r+ - r-``, contiguous.
            total: ``r+ + r-``; may be empty.
            as_programmed: the same pairs when they were programmed. A cell that is switched counts as programmed to
                its new state.
            line_states: sums of the states of each word line, as its driver sees them, where they are kept.
        """
        volts = self.voltages[self.seen.flatten(1) + len(self.voltages) // 2]  # [2, lines]
        self.seen.zero_()
        lines = ((volts[0] < 0) & (volts[0] <= self.nearest[0])) | ((volts[1] > 0) & (volts[1] > self.nearest[1]))
        lines = lines.nonzero().squeeze(1)
        if not lines.numel():
            return
        cells = self._cells_of(lines)
        line = self._lines(self.places.index_select(0, cells))
        before = self._buffer("r").index_select(0, cells)
        block = self._block()
        order = self.cell_parameters.order
        switching = switching_of(self.cell_parameters, order, self.places.device)
        for volt in volts:
            applied = volt.index_select(0, line)
            if self.voltage is not None:
                applied *= self.voltage.index_select(0, cells)
            sets = (block.set_threshold.index_select(0, cells) >= applied) & (applied != 0)
            resets = (block.reset_threshold.index_select(0, cells) < applied) & (applied != 0)
            switching.switch_(block, cells[sets], cells[resets], applied[resets])
            self.switched += torch.stack([sets.sum(), resets.sum()])
        self.history = block.history  # which may have needed more room
        self.passes += 1
        self._find_nearest(lines, cells)
        now = block.r.index_select(0, cells)
        places = self.places.index_select(0, cells)
        if as_programmed is not None:
            moved = now != before
            _move_(as_programmed.difference, as_programmed.total, places[moved], now[moved])
        changes = now.sub_(before)
        sign = (1 - 2 * (places % POLARITIES)).to(changes.dtype)
        counted, noise = (
            changes if share is None else changes * share.index_select(0, cells)
            for share in (self.current, self.noise)
        )
        difference.view(-1).index_add_(0, places // POLARITIES, counted * sign)
        if total.numel():
            total.view(-1).index_add_(0, places // POLARITIES, noise)
        if line_states is not None:
            arriving = changes if self.voltage is None else changes * self.voltage.index_select(0, cells)
            line_states.view(-1).index_add_(0, line, arriving)

    def _cells_of(self, lines: Tensor) -> Tensor:
        """Numbers of the cells of lines, in ascending order."""
        first = self.starts[lines]
        counts = self.starts[lines + 1] - first
        ends = counts.cumsum(0)
        shift = torch.repeat_interleave(first - ends + counts, counts)
        return shift + torch.arange(shift.numel(), device=shift.device)

    def _block(self) -> Block:
        parts = {name: self._buffer(name) for name in CELL_PARTS}
        return Block(numbers=self._layout.cell_numbers(self.places), stream=Stream.of(self.seed, "cycles"), **parts)

    def exposed(self) -> ExposedCells:
        """The cells as they are; the tensors themselves."""
        return ExposedCells(self.places, self._block(), self._reads, self._arriving())

    def _arriving(self) -> Arriving | None:
        if self.voltage is None or self.current is None or self.noise is None:
            return None
        return Arriving(self.voltage, self.current, self.noise)

    def take_(self, arriving: Arriving | None) -> None:
        """Let wires let through something else from now on, such as of cells that have aged."""
        if arriving is not None:
            self.voltage, self.current, self.noise = arriving.voltage, arriving.current, arriving.noise
            self._index_lines()

    def stored(self) -> dict[str, Tensor]:
        """All that its future depends on, beside the seed and the crossbar."""
        return {name: self._buffer(name) for name in (*STORED, *(ARRIVING if self.voltage is not None else ()))}

    def resume_(self, stored: Mapping[str, Tensor]) -> None:
        """Take over what its lines have seen and done."""
        for name in _DONE:
            self._buffer(name).copy_(stored[name])

    def reach(self) -> Reach:
        """The cells that a reading at the extreme voltages would switch now."""
        sets = (self._at_drivers("set_threshold") >= self._reads.lowest) & (self._reads.lowest < 0)
        resets = (self._at_drivers("reset_threshold") < self._reads.highest) & (self._reads.highest > 0)
        return Reach(self._reads.lowest, self._reads.highest, int(sets.sum()), int(resets.sum()))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:  # noqa: ANN401
        _forget_ahead_(state_dict, prefix)
        # Another chip has other cells within reach, and as many as it has.
        for name in ("places", *CELL_PARTS, *(ARRIVING if self.voltage is not None else ())):
            given, own = state_dict.get(prefix + name), self._buffer(name)
            if isinstance(given, Tensor) and given.shape != own.shape and given.dim() == own.dim():
                self.register_buffer(name, own.new_empty(given.shape))
        super()._load_from_state_dict(state_dict, prefix, *others)
        self._index_lines()


def _move_(difference: Tensor, total: Tensor, places: Tensor, states: Tensor) -> None:
    """Give cells at places of pairs other states, in place."""
    pairs, sign = places // POLARITIES, (1 - 2 * (places % POLARITIES)).to(states.dtype)
    before = (total.view(-1)[pairs] + sign * difference.view(-1)[pairs]) / 2
    difference.view(-1).index_add_(0, pairs, (states - before) * sign)
    total.view(-1).index_add_(0, pairs, states - before)


def without_ahead(history: Tensor, left: Tensor) -> Tensor:
    """A history ``[cells, slots, 4]`` without its last cycles, ``left [cells]``: those that were still to come.

    Cells that were saved with cycles drawn ahead keep all that they were; what is to come is drawn anew.
    """
    slots = history.shape[1]
    source = torch.arange(slots, device=history.device) - left[:, None]
    kept = history.gather(1, source.clamp(min=0)[:, :, None].expand(-1, -1, history.shape[2]))
    return kept * (source >= 0)[:, :, None]


def _forget_ahead_(state_dict: dict[str, Any], prefix: str) -> None:
    if prefix + FORMER[0] in state_dict:
        del state_dict[prefix + FORMER[0]]
        left = state_dict.pop(prefix + FORMER[1])
        state_dict[prefix + "history"] = without_ahead(state_dict[prefix + "history"], left)
