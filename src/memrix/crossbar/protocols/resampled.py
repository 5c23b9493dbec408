"""Cells drawn from a population that a protocol has programmed: its statistics without its pulses."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix.crossbar.protocols.open_loop import Ideal, ResetSet
from memrix.crossbar.protocols.protocol import Programmed, ProgrammingProtocol, ProgrammingReport, checked
from memrix.device import DeviceParameters, ReadRange, WithinReach
from memrix.device.draws import numbers_of, words
from memrix.device.indexing import positions

_CELLS = 1 << 14  # of the population at each level
_WORD_BITS = 16
_LEVELS = 9
_SEED = 20_26


@dataclass(frozen=True)
class Resampled:
    """Every cell gets the state of a random cell of a population of 16,384 at its level.

    Between the levels of the population, cells of the same rank are interpolated, and what readings do to the cell
    is what they do to the one of the nearest level. There is nothing to report: no
    cell was programmed. For training, where chips last for a step.

    Attributes:
        protocol: that has programmed the population.
    """

    name: ClassVar[str] = "resampled"
    # What levels can be asked for is checked where the protocol itself is chosen.
    analog: ClassVar[bool] = True
    protocol: ProgrammingProtocol

    def program(
        self,
        targets: Tensor,
        parameters: DeviceParameters,
        *,
        chip: Stream,
        programming: Stream,
        first: int = 0,
        reads: ReadRange | None = None,
    ) -> Programmed:
        """Draw cells for bool targets or levels of any shape; the chip's stream is not touched."""
        population = _population(self, parameters, reads)
        table = population.states.to(targets.device)
        numbers = numbers_of(targets, first)
        word = words(Stream.of(programming.key, "ranks"), numbers)[0].view(targets.shape)
        rank = (word * _CELLS).bitwise_right_shift_(_WORD_BITS)
        position = targets.to(torch.float32) * (len(table) - 1)
        lower = position.floor().clamp_(0, len(table) - 2)
        index = lower.long() * _CELLS + rank
        flat = table.view(-1)
        low, high = flat[index], flat[index + _CELLS]
        # Product and sum apart: the same bits on any device.
        states = (high - low).mul_(position - lower).add_(low)
        within = None if reads is None else population.drawn((position.round().long() * _CELLS + rank).view(-1))
        return Programmed(states, ProgrammingReport(cells=targets.numel()), within)

    @property
    def compensate_wires(self) -> bool:
        """As of the protocol."""
        return getattr(self.protocol, "compensate_wires", False)

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """As of the protocol."""
        return self.protocol.nominal_states(parameters)


def as_population(protocol: ProgrammingProtocol) -> ProgrammingProtocol:
    """A protocol that gives cells as fast as they can be drawn, with the statistics of the given one."""
    if isinstance(protocol, (ResetSet, Ideal, Resampled)):
        return protocol
    return Resampled(protocol)


@dataclass(frozen=True, eq=False)
class _Population:
    """Cells that a protocol has programmed.

    Attributes:
        states: ``[levels, cells]``, in ascending order at each level, from OFF to ON.
        order: int64 ``[levels * cells]``: the cells that these are of.
        within_reach: the cells that readings may switch.
    """

    states: Tensor
    order: Tensor
    within_reach: WithinReach

    def drawn(self, places: Tensor) -> WithinReach:
        """Those of cells that were drawn from the states at places ``[n]``."""
        within, device = self.within_reach, places.device
        number = torch.full((self.order.numel(),), -1, device=self.order.device)
        number[within.index] = torch.arange(within.index.numel(), device=self.order.device)
        found = number[self.order].to(device)[places]
        index = positions(found >= 0)
        chosen = found.index_select(0, index).to(self.order.device)
        cells = None if within.cells is None else within.cells.chosen(chosen).to(device)
        return WithinReach(index, within.sets[chosen].to(device), within.resets[chosen].to(device), cells)


@functools.lru_cache(maxsize=16)
def _population(resampled: Resampled, parameters: DeviceParameters, reads: ReadRange | None) -> _Population:
    protocol = resampled.protocol
    levels = torch.linspace(0, 1, _LEVELS, dtype=torch.float32) if protocol.analog else torch.tensor([False, True])
    targets = levels.repeat_interleave(_CELLS)
    chip, programming = (Stream.of(_SEED, use) for use in ("chip", "programming"))
    given = protocol.program(targets, parameters, chip=chip, programming=programming, reads=reads)
    programmed = checked(given, protocol, targets)
    states, order = programmed.states.view(len(levels), _CELLS).sort(dim=1)
    order += torch.arange(len(levels))[:, None] * _CELLS
    return _Population(states, order.view(-1), programmed.within_reach or WithinReach.none(states.device))
