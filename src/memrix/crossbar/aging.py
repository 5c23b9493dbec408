"""Programmed cells at a later time."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from memrix._support.random import Seeds
from memrix._support.streams import Stream
from memrix.crossbar.as_programmed import AsProgrammed
from memrix.crossbar.crossbar import Crossbar
from memrix.crossbar.mapping import POLARITIES, Layout
from memrix.crossbar.pairs import CellTechnology, Pairs, pair, rows_in_use, together
from memrix.crossbar.relaxation import move_


def changes_with_time(technology: CellTechnology) -> bool:
    """Whether the states of cells are others later."""
    return technology.drift.has_law or technology.relaxation.in_time or technology.telegraph.share > 0


def has_aged(technology: CellTechnology) -> bool:
    """Whether states are others than as programmed, at the time ``technology.drift.seconds``."""
    return changes_with_time(technology) and technology.drift.seconds > 0


def copied(pairs: Pairs) -> Pairs:
    """The same pairs with states of their own."""
    return replace(pairs, difference=pairs.difference.clone(), total=pairs.total.clone())


def remember_(crossbar: Crossbar, pairs: Pairs, technology: CellTechnology) -> None:
    """Let a crossbar keep pairs as programmed, if the states that it reads are others or will be.

    Args:
        crossbar: made for the pairs.
        pairs: as programmed.
        technology: the cells.
    """
    if not changes_with_time(technology):
        return
    itself = crossbar.difference is pairs.difference
    if has_aged(technology) or not itself or not crossbar.total.numel():
        kept = copied(pairs) if itself else pairs
        crossbar.as_programmed = AsProgrammed(kept.difference, kept.total)


def remembered(crossbar: Crossbar) -> tuple[Tensor, Tensor]:
    """``r+ - r-`` and ``r+ + r-`` as programmed; the tensors themselves."""
    kept = crossbar.as_programmed
    return (crossbar.difference, crossbar.total) if kept is None else (kept.difference, kept.total)


def age_(pairs: Pairs, layout: Layout, technology: CellTechnology, *, seeds: Seeds, name: str) -> None:
    """Let the time ``technology.drift.seconds`` pass for pairs, in place; cells that are stuck stay where they are.

    Args:
        pairs: as ``program_pairs`` gave them for the same layout, technology, seeds and name.
        layout: digits and tiles.
        technology: the cells.
        seeds: of the three random streams.
        name: of the crossbar.
    """
    if not has_aged(technology):
        return
    stuck = Stream.of(seeds.chip, "faults", name)
    difference, total = rows_in_use(pairs.difference, layout), rows_in_use(pairs.total, layout)
    planes = iter(range(layout.planes))
    while some := list(islice(planes, together(layout))):
        states = torch.stack(
            [
                torch.add(total[:, :, plane], difference[:, :, plane], alpha=sign).div_(2)
                for plane in some
                for sign in (1, -1)
            ]
        )
        first = layout.first_cell(some[0])
        _let_time_pass_(states, pairs.nominal_states, technology, seeds, name, first)
        technology.faults.apply_(states, pairs.nominal_states, stuck, first)
        pair(states, some, difference, total)
    if pairs.exposed is not None:
        places, cells = pairs.exposed.places, pairs.exposed.cells
        both, apart = (tensor.view(-1)[places // POLARITIES] for tensor in (pairs.total, pairs.difference))
        sign = (1 - 2 * (places % POLARITIES)).to(apart.dtype)
        cells.r.copy_(both.addcmul_(apart, sign).div_(2))


def _let_time_pass_(
    states: Tensor, nominal: tuple[float, float], technology: CellTechnology, seeds: Seeds, name: str, first: int
) -> None:
    """Relaxation, drift and telegraph noise of cells that are not stuck, from the cell number ``first`` on."""
    parameters, drift, seconds = technology.parameters, technology.drift, technology.drift.seconds
    # Streams of their own: the same chip without them has the same cells otherwise.
    if technology.relaxation.in_time:
        deviation = technology.relaxation.deviation(seconds)
        move_(states, deviation, parameters, nominal, Stream.of(seeds.programming, "relaxation", name), first)
    drift.apply_(states, parameters, nominal, Stream.of(seeds.chip, "drift", name), first)
    deviation = technology.telegraph.deviation(seconds, technology.reading_seconds)
    if deviation:
        now = Stream.of(seeds.programming, "telegraph", name, float(seconds).hex())
        move_(states, deviation, parameters, nominal, now, first)
