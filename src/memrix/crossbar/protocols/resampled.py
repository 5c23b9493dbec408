"""Cells drawn from a population that a protocol has programmed: its statistics without its pulses."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memrix.crossbar.protocols.open_loop import Ideal, ResetSet
from memrix.crossbar.protocols.protocol import Programmed, ProgrammingProtocol, ProgrammingReport
from memrix.device import DeviceParameters

_CELLS = 1 << 14  # of the population at each level
_LEVELS = 9
_SEED = 20_26


@dataclass(frozen=True)
class Resampled:
    """Every cell gets the state of a random cell of a population of 16,384 at its level.

    Between the levels of the population, cells of the same rank are interpolated. There is nothing to report: no
    cell was programmed. For training, where chips last for a step.

    Attributes:
        protocol: that has programmed the population.
    """

    name: ClassVar[str] = "resampled"
    # What levels can be asked for is checked where the protocol itself is chosen.
    analog: ClassVar[bool] = True
    protocol: ProgrammingProtocol

    def program(
        self, targets: Tensor, parameters: DeviceParameters, *, chip: torch.Generator, programming: torch.Generator
    ) -> Programmed:
        """Draw cells for bool targets or levels of any shape; the chip's stream is not touched."""
        table = _population(self, parameters).to(targets.device)
        rank = torch.randint(_CELLS, targets.shape, generator=programming, device=targets.device)
        position = targets.to(torch.float32) * (len(table) - 1)
        lower = position.floor().clamp_(0, len(table) - 2)
        index = lower.long() * _CELLS + rank
        flat = table.view(-1)
        states = torch.lerp(flat[index], flat[index + _CELLS], position - lower)
        return Programmed(states, ProgrammingReport(cells=targets.numel()))

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """As of the protocol."""
        return self.protocol.nominal_states(parameters)


def as_population(protocol: ProgrammingProtocol) -> ProgrammingProtocol:
    """A protocol that gives cells as fast as they can be drawn, with the statistics of the given one."""
    if isinstance(protocol, (ResetSet, Ideal, Resampled)):
        return protocol
    return Resampled(protocol)


@functools.lru_cache(maxsize=16)
def _population(resampled: Resampled, parameters: DeviceParameters) -> Tensor:
    """``[levels, cells]``: states in ascending order, from OFF to ON."""
    protocol = resampled.protocol
    levels = torch.linspace(0, 1, _LEVELS, dtype=torch.float32) if protocol.analog else torch.tensor([False, True])
    targets = levels.repeat_interleave(_CELLS)
    chip, programming = (torch.Generator().manual_seed(_SEED + offset) for offset in (0, 1))
    states = protocol.program(targets, parameters, chip=chip, programming=programming).states
    return states.view(len(levels), _CELLS).sort(dim=1).values
