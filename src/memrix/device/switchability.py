"""Which voltages switch the cells of a device, and which share of them a given pair of pulses switches."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from memrix.device.cells import Cells
from memrix.device.parameters import RESET_VOLTAGE, SET_VOLTAGE, DeviceParameters
from memrix.device.ranges import PULSE_RANGE, require_pulse_voltage

_CELLS, _CYCLES, _SEED = 10_000, 4, 0  # thresholds of a sample: of fresh cells and of those that have a history
_MARGIN = 4 / 3  # of a pulse beyond the thresholds; with it the measured device gets the 2 V of arXiv 2505.24721
_OUTLIERS = 1e-3  # share of thresholds that decide nothing


class PulseVoltages(NamedTuple):
    """Voltages of pulses in V: ``set`` (negative) makes a cell ON, ``reset`` (positive) makes it OFF."""

    set: float
    reset: float


class SwitchingShares(NamedTuple):
    """Shares of all cells, from 0 to 1, that a pulse makes ON (``set``) and that one makes OFF (``reset``)."""

    set: float
    reset: float


@functools.lru_cache(maxsize=8)
def pulse_voltages(parameters: DeviceParameters) -> PulseVoltages:
    """The voltages with which cells of a device are programmed unless a protocol has voltages of its own.

    One magnitude for both signs, as for the measured device (-2 V and +2 V): a third beyond the voltage of a complete
    reset and the SET and RESET voltages of 999 in 1,000 cycles, rounded up to a tenth of a volt. It never lies beyond
    ``PULSE_RANGE``; ``switching_shares`` tells whether it is enough.

    Args:
        parameters: of the device.

    Returns:
        The SET and the RESET voltage, in V.
    """
    sets, resets = _thresholds(parameters)
    reach = max(
        parameters.full_reset_voltage,
        float(resets.quantile(1 - _OUTLIERS)),
        -float(sets.quantile(_OUTLIERS)),
    )
    tenths = math.ceil(round(10 * _MARGIN * reach, 6))
    magnitude = min(tenths / 10, PULSE_RANGE)
    return PulseVoltages(-magnitude, magnitude)


@functools.lru_cache(maxsize=32)
def switching_shares(
    parameters: DeviceParameters, set_voltage: float | None = None, reset_voltage: float | None = None
) -> SwitchingShares:
    """Which share of the cells of a device one pulse switches all the way, from a sample of 10,000 cells.

    Thresholds are those of the first four cycles of fresh cells. A RESET is complete only from the device's
    ``full_reset_voltage`` on: below it the share is 0.

    Args:
        parameters: of the device.
        set_voltage: of the pulse that is to make cells ON, in V; that of ``pulse_voltages`` by default.
        reset_voltage: of the pulse that is to make cells OFF, in V; that of ``pulse_voltages`` by default.

    Raises:
        SettingsError: a voltage is no number, or lies beyond ``PULSE_RANGE``.
    """
    defaults = pulse_voltages(parameters)
    set_at = defaults.set if set_voltage is None else set_voltage
    reset_at = defaults.reset if reset_voltage is None else reset_voltage
    require_pulse_voltage("set_voltage", set_at)
    require_pulse_voltage("reset_voltage", reset_at)
    sets, resets = _thresholds(parameters)
    complete = reset_at >= parameters.full_reset_voltage
    return SwitchingShares(
        set=float((sets >= set_at).double().mean()),
        reset=float((resets < reset_at).double().mean()) if complete else 0.0,
    )


@functools.lru_cache(maxsize=32)
def reset_share(parameters: DeviceParameters, voltage: float) -> float:
    """Share of the cells of a device, from 0 to 1, that begin a RESET below a voltage, complete or not.

    Args:
        parameters: of the device.
        voltage: in V.
    """
    return float((_thresholds(parameters)[1] < voltage).double().mean())


@functools.lru_cache(maxsize=8)
def _thresholds(parameters: DeviceParameters) -> tuple[Tensor, Tensor]:
    """SET and RESET voltages in V of a sample of cells over their first cycles, ``[cycles * cells]`` each."""
    cells = Cells(_CELLS, parameters, seed=_SEED)
    features = []
    for _ in range(_CYCLES):
        features.append(cells.features)
        cells.apply_voltage(-PULSE_RANGE)
        cells.apply_voltage(PULSE_RANGE)
    cycles = torch.stack(features)
    return cycles[:, SET_VOLTAGE].reshape(-1), cycles[:, RESET_VOLTAGE].reshape(-1)
