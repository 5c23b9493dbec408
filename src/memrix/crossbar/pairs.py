"""Integer matrices written to the differential pairs of a chip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from memrix._support.random import Seeds
from memrix._support.streams import Stream
from memrix._support.validation import is_number, shown
from memrix.crossbar.degradation import Drift, Faults
from memrix.crossbar.mapping import POLARITIES, Layout
from memrix.crossbar.protocols import ProgrammingProtocol, ProgrammingReport
from memrix.crossbar.protocols.protocol import checked
from memrix.crossbar.reach import ExposedCells, FoundInReach, Reach
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
    """

    parameters: DeviceParameters
    protocol: ProgrammingProtocol
    faults: Faults
    drift: Drift
    reads: ReadRange | None = None

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
    """

    difference: Tensor
    total: Tensor
    report: ProgrammingReport
    nominal_states: tuple[float, float]
    reach: Reach | None = None
    exposed: ExposedCells | None = None
    wire_share: float = 1.0


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
) -> Pairs:
    """Program matrices ``[groups, inputs, outputs]`` of integers whose magnitudes the digits of a layout can hold.

    The cells are as programmed: ``drift_`` lets time pass.

    Args:
        integers: the weights.
        layout: digits and tiles.
        technology: the cells.
        seeds: of the three random streams. What a cell draws is a function of them, the name, and its number in the
            order of ``Layout.first_cell``.
        name: tells the streams of one crossbar from those of another with the same seeds.
        progress: called with a number of cells whenever so many more are programmed.
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
    found = FoundInReach(technology.reads, layout)
    targets_of_planes = layout.targets(integers)
    while some := list(islice(targets_of_planes, _together(layout))):
        targets = torch.stack([target for _, *both in some for target in both])
        planes = [plane for plane, *_ in some]
        first = layout.first_cell(planes[0])
        known: dict[str, Any] = {
            "chip": chip,
            "programming": programming,
            "first": first,
            "reads": technology.reads,
        }
        if getattr(technology.protocol, "by_array", False):
            known["arrays"] = layout.arrays(planes, device)
        made = technology.protocol.program(targets, technology.parameters, **known)
        programmed = checked(made, technology.protocol, targets)
        states = programmed.states
        found.add(programmed.within_reach, planes, technology.faults.apply_(states, nominal, stuck, first))
        report += programmed.report
        if progress is not None:
            progress(states.numel())
        _pair(states, planes, difference[:, : layout.inputs], total[:, : layout.inputs])
    tiled = (layout.groups * layout.row_tiles, layout.rows, layout.planes * layout.outputs)
    return Pairs(difference.view(tiled), total.view(tiled), report, nominal, *found.result())


def drift_(pairs: Pairs, layout: Layout, technology: CellTechnology, *, seeds: Seeds, name: str) -> None:
    """Let the time since programming pass for pairs, in place; cells that are stuck stay where they are.

    Args:
        pairs: as ``program_pairs`` gave them for the same layout, technology, seeds and name.
        layout: digits and tiles.
        technology: the cells.
        seeds: of the three random streams.
        name: of the crossbar.
    """
    if not technology.drift.active:
        return
    # A stream of its own: the same chip without drift has the same cells otherwise.
    aging, stuck = (Stream.of(seeds.chip, use, name) for use in ("drift", "faults"))
    difference, total = rows_in_use(pairs.difference, layout), rows_in_use(pairs.total, layout)
    planes = iter(range(layout.planes))
    while some := list(islice(planes, _together(layout))):
        states = torch.stack(
            [
                torch.add(total[:, :, plane], difference[:, :, plane], alpha=sign).div_(2)
                for plane in some
                for sign in (1, -1)
            ]
        )
        first = layout.first_cell(some[0])
        technology.drift.apply_(states, technology.parameters, aging, first)
        technology.faults.apply_(states, pairs.nominal_states, stuck, first)
        _pair(states, some, difference, total)
    if pairs.exposed is not None:
        places, cells = pairs.exposed.places, pairs.exposed.cells
        both, apart = (tensor.view(-1)[places // POLARITIES] for tensor in (pairs.total, pairs.difference))
        sign = (1 - 2 * (places % POLARITIES)).to(apart.dtype)
        cells.r.copy_(both.addcmul_(apart, sign).div_(2))


def _together(layout: Layout) -> int:
    """Planes whose cells are programmed at once."""
    return max(1, _TOGETHER // max(1, layout.cells // layout.planes))


def _pair(states: Tensor, planes: list[int], difference: Tensor, total: Tensor) -> None:
    """Write cells ``[planes * 2, groups, inputs, outputs]`` of planes into their pairs."""
    for plane, (positive, negative) in zip(planes, states.view(-1, 2, *states.shape[1:]), strict=True):
        torch.sub(positive, negative, out=difference[:, :, plane])
        torch.add(positive, negative, out=total[:, :, plane])
