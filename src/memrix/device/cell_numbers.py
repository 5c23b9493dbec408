"""The numbers of a technology and the cells of a block, as compiled loops take them."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from memrix._support.streams import normal_table
from memrix.device.block import Block
from memrix.device.parameters import Array
from memrix.device.switching import Switching

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


class Technology(NamedTuple):
    """Numbers of a technology, float32.

    Attributes:
        normals: of words (``streams.normal_table``).
        edges: int64, ``means``, ``factors``: as of ``DeviceModel``.
        innovation, weights, polynomials, conductance (``low``), per_conductance: as of ``CycleModel``; ``weights``
            are ``[order * 4, 4]``.
        full_reset: V.
        exponent: of transitions.
        low, slope: polynomials of the current in A over V, highest degree first.
        full_low, full_slope: their values at the voltage of a full reset.
    """

    normals: Floats
    edges: Integers
    means: Floats
    factors: Floats
    innovation: Floats
    weights: Floats
    polynomials: Floats
    conductance: np.float32
    per_conductance: np.float32
    full_reset: np.float32
    exponent: np.float32
    low: Floats
    slope: Floats
    full_low: np.float32
    full_slope: np.float32


class Pulse(NamedTuple):
    """A voltage pulse, one for all cells.

    Attributes:
        volts: V; 0 is no pulse.
        complete: whether it resets cells completely.
        by_amplitude, by_floor, alone: the state after a partial reset, of the amplitude and floor of a transition.
        low, slope: of the current in A over the state, in the pulse.
        per_unit: units of power in 1 W.
    """

    volts: np.float32
    complete: bool
    by_amplitude: np.float32
    by_floor: np.float32
    alone: np.float32
    low: np.float32
    slope: np.float32
    per_unit: np.float32


class BlockArrays(NamedTuple):
    """What a block holds: see ``Block``."""

    r: Floats
    devices: Floats
    history: Floats
    cycles: npt.NDArray[np.int32]
    features: Floats
    set_threshold: Floats
    reset_threshold: Floats
    transition: Floats
    numbers: Integers


def technology_of(switching: Switching) -> Technology:
    """The numbers of a technology; made once."""
    known: Technology | None = vars(switching).get("_technology")
    if known is None:
        known = switching._technology = _technology(switching)  # type: ignore[attr-defined]
    return known


def _technology(switching: Switching) -> Technology:
    devices, cycle, current = switching.devices, switching.cycle, switching.current
    full = switching.full_reset_voltage
    low, slope = current.parameters.low_resistance, current.difference

    def floats(values: Array) -> Floats:
        return np.ascontiguousarray(values, dtype=np.float32)

    return Technology(
        normals=normal_table(torch.device("cpu")).numpy(),
        edges=np.array(devices.edges, dtype=np.int64),
        means=floats(devices.means.numpy()),
        factors=floats(devices.factors.numpy()),
        innovation=floats(cycle.innovation.numpy()),
        weights=floats(cycle.weights.numpy().T),
        polynomials=floats(cycle.polynomials.numpy()),
        conductance=np.float32(cycle.low),
        per_conductance=np.float32(cycle.per_conductance),
        full_reset=np.float32(full),
        exponent=np.float32(switching.exponent),
        low=floats(low),
        slope=floats(slope),
        full_low=np.float32(current.low_resistance(full)),
        full_slope=np.float32(current.slope(full)),
    )


@functools.lru_cache(maxsize=64)
def pulse_of(switching: Switching, volts: float) -> Pulse:
    """The numbers of a pulse of a voltage; made once."""
    complete = volts >= switching.full_reset_voltage
    partial = not complete and volts > 0
    weights = switching.transition_weights(volts) if partial else (0.0, 0.0, 0.0)
    currents = switching.current.in_pulse(volts)
    return Pulse(
        np.float32(volts),
        complete,
        *(np.float32(number) for number in (*weights, *currents, 1 / switching.current.power_unit)),
    )


def arrays_of(block: Block) -> BlockArrays:
    """The tensors of a block on a CPU, which share their memory with the arrays."""
    return BlockArrays(*(getattr(block, name).numpy() for name in BlockArrays._fields))
