"""Means over a large population: what a designer knows of a protocol before a chip is programmed."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix.crossbar.protocols.protocol import ProgrammingProtocol, checked
from memrix.device import DeviceParameters, FreshCells

# Enough cells for a mean state within 2e-4; the seed is fixed, so that a gain is a constant of the hardware.
_POPULATION = 1 << 18
_SEED = 20_25


@functools.lru_cache(maxsize=8)
def fresh_means(parameters: DeviceParameters) -> tuple[float, float]:
    """Mean state of ON and of OFF cells of fresh arrays after reset-set."""
    return _means(FreshCells(parameters).draw)


@functools.lru_cache(maxsize=64)
def population_means(protocol: ProgrammingProtocol, parameters: DeviceParameters) -> tuple[float, float]:
    """Mean state ``r`` of ON and of OFF cells that a protocol has programmed, from a large population.

    Args:
        protocol: programs the population.
        parameters: of the device.
    """

    def program(targets: Tensor, chip: Stream, programming: Stream) -> Tensor:
        programmed = protocol.program(targets, parameters, chip=chip, programming=programming)
        return checked(programmed, protocol, targets).states

    return _means(program)


def _means(program: Callable[..., Tensor]) -> tuple[float, float]:
    means = []
    for on in (True, False):
        chip, programming = (Stream.of(_SEED, use) for use in ("chip", "programming"))
        states = program(torch.full((_POPULATION,), on), chip=chip, programming=programming)
        means.append(float(states.double().mean()))
    return means[0], means[1]
