"""Programming protocols: how cells are brought to ON and OFF, and what current a nominal cell has."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from memrix.device import DeviceParameters, FreshCells

# Enough cells for a mean state within 2e-4; the seed is fixed, so that a gain is a constant of the hardware.
_POPULATION = 1 << 18
_POPULATION_SEED = 20_25


@runtime_checkable
class ProgrammingProtocol(Protocol):
    """How the cells of a chip are programmed."""

    name: ClassVar[str]

    def program(
        self, on: Tensor, parameters: DeviceParameters, *, chip: torch.Generator, programming: torch.Generator
    ) -> Tensor:
        """States ``r`` of cells, float32 of the shape of ``on`` (bool: to be left in the ON state)."""
        ...

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """Mean state of ON and of OFF cells."""
        ...


@dataclass(frozen=True)
class ResetSet:
    """A pulse of +2 V on every cell of a fresh array, then of -2 V on the ON cells; nothing is verified."""

    name: ClassVar[str] = "reset-set"

    def program(
        self, on: Tensor, parameters: DeviceParameters, *, chip: torch.Generator, programming: torch.Generator
    ) -> Tensor:
        """States ``r`` of cells, float32 of the shape of ``on``."""
        return FreshCells(parameters).draw(on, chip=chip, programming=programming)

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """Mean state of ON and of OFF cells over a large population."""
        return _population_means(parameters)


@dataclass(frozen=True)
class Ideal:
    """Every cell reaches the mean state of reset-set exactly: no variability."""

    name: ClassVar[str] = "ideal"

    def program(
        self, on: Tensor, parameters: DeviceParameters, *, chip: torch.Generator, programming: torch.Generator
    ) -> Tensor:
        """States ``r`` of cells, float32 of the shape of ``on``; the streams are not touched."""
        state_on, state_off = self.nominal_states(parameters)
        return torch.full(on.shape, state_off, dtype=torch.float32, device=on.device).masked_fill_(on, state_on)

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """Mean state of ON and of OFF cells over a large population."""
        return _population_means(parameters)


PROTOCOLS: dict[str, type[ResetSet] | type[Ideal]] = {protocol.name: protocol for protocol in (ResetSet, Ideal)}


@functools.lru_cache(maxsize=8)
def _population_means(parameters: DeviceParameters) -> tuple[float, float]:
    means = []
    for on in (True, False):
        chip = torch.Generator().manual_seed(_POPULATION_SEED)
        programming = torch.Generator().manual_seed(_POPULATION_SEED + 1)
        targets = torch.full((_POPULATION,), on)
        states = FreshCells(parameters).draw(targets, chip=chip, programming=programming)
        means.append(float(states.double().mean()))
    return means[0], means[1]
