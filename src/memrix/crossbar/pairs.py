"""Integer matrices written to the differential pairs of a chip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from memrix.crossbar.degradation import Drift, Faults
from memrix.crossbar.mapping import Layout
from memrix.crossbar.protocols import ProgrammingProtocol, ProgrammingReport
from memrix.device import DeviceParameters
from memrix.random import Seeds, derive

# Part of what a seed means: cells that are programmed at once, of a small layer those of several planes, so that
# threads have work to share.
_TOGETHER = 1 << 20


@dataclass(frozen=True)
class CellTechnology:
    """What the cells of a chip are and what becomes of them.

    Attributes:
        parameters: the device technology.
        protocol: how cells are programmed.
        faults: cells that are stuck.
        drift: of the conductances since programming.
    """

    parameters: DeviceParameters
    protocol: ProgrammingProtocol
    faults: Faults
    drift: Drift

    @property
    def nominal_states(self) -> tuple[float, float]:
        """Mean state of ON and of OFF cells."""
        return self.protocol.nominal_states(self.parameters)


@dataclass(frozen=True)
class Pairs:
    """Programmed differential pairs.

    Attributes:
        difference: ``r+ - r-``, float32 ``[groups * row tiles, rows, planes * outputs]``; 0 where there is no cell.
        total: ``r+ + r-`` of the same shape.
        report: what it took to program the cells.
        nominal_states: mean state of ON and of OFF cells, which the gain of converters follows from.
    """

    difference: Tensor
    total: Tensor
    report: ProgrammingReport
    nominal_states: tuple[float, float]


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

    Args:
        integers: the weights.
        layout: digits and tiles.
        technology: the cells.
        seeds: of the three random streams.
        name: tells the streams of one crossbar from those of another with the same seeds.
        progress: called with a number of cells whenever so many more are programmed.
    """
    device = integers.device
    shape = (layout.groups, layout.row_tiles * layout.rows, layout.planes, layout.outputs)
    difference = torch.zeros(shape, dtype=torch.float32, device=device)
    total = torch.zeros(shape, dtype=torch.float32, device=device)
    nominal = technology.nominal_states
    report = ProgrammingReport()

    def stream(seed: int, use: str) -> torch.Generator:
        return torch.Generator(device).manual_seed(derive(seed, use, name))

    chip, cycle = stream(seeds.chip, "chip"), stream(seeds.programming, "programming")
    # Streams of their own: the same chip with faults or drift has the same cells otherwise.
    stuck, aging = stream(seeds.chip, "faults"), stream(seeds.chip, "drift")

    def program(targets: Tensor) -> Tensor:
        nonlocal report
        states, took = technology.protocol.program(targets, technology.parameters, chip=chip, programming=cycle)
        technology.drift.apply_(states, technology.parameters, aging)
        technology.faults.apply_(states, nominal, stuck)
        report += took
        if progress is not None:
            progress(states.numel())
        return states

    planes = layout.targets(integers)
    together = max(1, _TOGETHER // max(1, 2 * integers.numel()))
    while some := list(islice(planes, together)):
        states = program(torch.stack([target for _, *both in some for target in both]))
        for (plane, *_), (positive, negative) in zip(some, states.view(len(some), 2, *integers.shape), strict=True):
            torch.sub(positive, negative, out=difference[:, : layout.inputs, plane])
            torch.add(positive, negative, out=total[:, : layout.inputs, plane])
    tiled = (layout.groups * layout.row_tiles, layout.rows, layout.planes * layout.outputs)
    return Pairs(difference.view(tiled), total.view(tiled), report, nominal)
