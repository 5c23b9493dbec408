"""Integer matrices written to the differential pairs of a chip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from memrix._support.random import Seeds
from memrix._support.streams import Stream
from memrix._support.validation import is_number, shown
from memrix.crossbar.degradation import Drift, Faults
from memrix.crossbar.mapping import Layout
from memrix.crossbar.protocols import ProgrammingProtocol, ProgrammingReport
from memrix.crossbar.protocols.protocol import checked
from memrix.crossbar.reach import ExposedCells, FoundInReach, Reach
from memrix.crossbar.relaxation import Relaxation, TelegraphNoise, move_
from memrix.device import DeviceParameters, ReadRange
from memrix.errors import SettingsError

# Cells that are programmed at once, of a small layer those of several planes, so that threads have work to share. No
# cell depends on it.
_TOGETHER = 1 << 20


@dataclass(frozen=True)
class CellTechnology:
    """What the cells of a chip are and what becomes of them.

    Attributes:
        parameters: the device technology.
        protocol: how cells are programmed.
        faults: cells that are stuck.
        drift: of the conductances since programming.
        reads: voltages of word lines during readings; None: nobody asks which cells these may switch.
        relaxation: of the cells after their verification.
        telegraph: noise of the cells.
        reading_seconds: that a reading lasts, in s.
    """

    parameters: DeviceParameters
    protocol: ProgrammingProtocol
    faults: Faults
    drift: Drift
    reads: ReadRange | None = None
    relaxation: Relaxation = field(default_factory=Relaxation)
    telegraph: TelegraphNoise = field(default_factory=TelegraphNoise)
    reading_seconds: float = 5e-9

    @property
    def nominal_states(self) -> tuple[float, float]:
        """Mean state of ON and of OFF cells.

        Raises:
            SettingsError: the protocol gives something else.
        """
        states = self.protocol.nominal_states(self.parameters)
        if isinstance(states, tuple) and len(states) == 2 and all(is_number(state) for state in states):
            on, off = map(float, states)
            if on < off:
                return on, off
        raise SettingsError(
            f"{type(self.protocol).__name__}.nominal_states must return the mean states of ON and of OFF cells, two "
            f"numbers of which the first is lower, got {shown(states)}; "
            f"memrix.crossbar.protocols.population_means(self, parameters) gives them"
        )


@dataclass(frozen=True)
class Pairs:
    """Programmed differential pairs.

    Attributes:
        difference: ``r+ - r-``, float32 ``[groups * row tiles, rows, planes * outputs]``; 0 where there is no cell.
        total: ``r+ + r-`` of the same shape.
        report: what it took to program the cells.
        nominal_states: mean state of ON and of OFF cells, which the gain of converters follows from.
        reach: how many cells readings may switch, where that is known.
        exposed: these cells, where they are kept.
        wire_share: share of the current of all cells that wires let through.
        wire_scales: least and largest scale at which the columns of cells that were programmed for their wires hold
            the weights.
        line_states: sum over the cells of each word line of the states that its driver sees, ``[groups * row tiles,
            rows]``; None: that of ``total``.
    """

    difference: Tensor
    total: Tensor
    report: ProgrammingReport
    nominal_states: tuple[float, float]
    reach: Reach | None = None
    exposed: ExposedCells | None = None
    wire_share: float = 1.0
    wire_scales: tuple[float, float] = (1.0, 1.0)
    line_states: Tensor | None = None

    def kept(self, *, noise: bool) -> dict[str, Tensor | None]:
        """Buffers of a crossbar: without noise, of ``total`` the sums of word lines alone."""
        line_states = self.line_states
        if not noise and line_states is None and self.total.numel():
            line_states = self.total.sum(-1)
        total = self.total if noise else self.total.new_empty(0)
        return {"difference": self.difference, "total": total, "line_states": line_states}


def rows_in_use(tiled: Tensor, layout: Layout) -> Tensor:
    """``[groups, inputs, planes, outputs]``, a view of states as in ``Pairs``, without the rows that fill tiles."""
    rows = layout.row_tiles * layout.rows
    return tiled.view(layout.groups, rows, layout.planes, layout.outputs)[:, : layout.inputs]


def in_tiles(states: Tensor, layout: Layout) -> Tensor:
    """The opposite of ``rows_in_use``: ``[groups * row tiles, rows, planes * outputs]``."""
    empty = layout.row_tiles * layout.rows - layout.inputs
    padded = nn.functional.pad(states, (0, 0, 0, 0, 0, empty)) if empty else states
    return padded.reshape(layout.groups * layout.row_tiles, layout.rows, layout.planes * layout.outputs)


def program_pairs(
    integers: Tensor,
    layout: Layout,
    technology: CellTechnology,
    *,
    seeds: Seeds,
    name: str,
    progress: Callable[[int], None] | None = None,
    levels: Tensor | None = None,
) -> Pairs:
    """Program matrices ``[groups, inputs, outputs]`` of integers whose magnitudes the digits of a layout can hold.

    The cells are as programmed, and have relaxed where that takes no time: ``age_`` lets time pass.

    Args:
        integers: the weights.
        layout: digits and tiles.
        technology: the cells.
        seeds: of the three random streams. What a cell draws is a function of them, the name, and its number in the
            order of ``Layout.first_cell``.
        name: tells the streams of one crossbar from those of another with the same seeds.
        progress: called with a number of cells whenever so many more are programmed.
        levels: of the cells, from 0 (OFF) to 1 (ON), ``[planes, polarities, groups, inputs, outputs]``; by default
            the digits of the integers.
    """
    device = integers.device
    shape = (layout.groups, layout.row_tiles * layout.rows, layout.planes, layout.outputs)
    difference = torch.zeros(shape, dtype=torch.float32, device=device)
    total = torch.zeros(shape, dtype=torch.float32, device=device)
    nominal = technology.nominal_states
    report = ProgrammingReport()
    chip, programming = Stream.of(seeds.chip, "chip", name), Stream.of(seeds.programming, "programming", name)
    # A stream of its own: the same chip with faults has the same cells otherwise.
    stuck = Stream.of(seeds.chip, "faults", name)
    relaxing = Stream.of(seeds.programming, "relaxation", name)
    found = FoundInReach(technology.reads, layout)
    targets_of_planes = layout.targets(integers) if levels is None else _targets(levels)
    while some := list(islice(targets_of_planes, together(layout))):
        wanted = torch.stack([target for _, *both in some for target in both])
        planes = [plane for plane, *_ in some]
        first = layout.first_cell(planes[0])
        known: dict[str, Any] = {"chip": chip, "programming": programming, "first": first, "reads": technology.reads}
        if getattr(technology.protocol, "by_array", False):
            known["arrays"] = layout.arrays(planes, device)
        made = technology.protocol.program(wanted, technology.parameters, **known)
        programmed = checked(made, technology.protocol, wanted)
        states, within = programmed.states, programmed.within_reach
        if technology.relaxation.at_once:
            move_(states, technology.relaxation.share, technology.parameters, nominal, relaxing, first)
            if within is not None and within.cells is not None:
                within.cells.r.copy_(states.view(-1)[within.index])
        found.add(within, planes, technology.faults.apply_(states, nominal, stuck, first))
        report += programmed.report
        if progress is not None:
            progress(states.numel())
        pair(states, planes, difference[:, : layout.inputs], total[:, : layout.inputs])
    tiled = (layout.groups * layout.row_tiles, layout.rows, layout.planes * layout.outputs)
    return Pairs(difference.view(tiled), total.view(tiled), report, nominal, *found.result())


def _targets(levels: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Levels of all planes, in the form of ``Layout.targets``."""
    return ((plane, positive, negative) for plane, (positive, negative) in enumerate(levels))


def together(layout: Layout) -> int:
    """Planes whose cells are dealt with at once."""
    return max(1, _TOGETHER // max(1, layout.cells // layout.planes))


def pair(states: Tensor, planes: list[int], difference: Tensor, total: Tensor) -> None:
    """Write cells ``[planes * 2, groups, inputs, outputs]`` of planes into their pairs."""
    for plane, (positive, negative) in zip(planes, states.view(-1, 2, *states.shape[1:]), strict=True):
        torch.sub(positive, negative, out=difference[:, :, plane])
        torch.add(positive, negative, out=total[:, :, plane])
