"""The pulses of programming protocols: their voltages, whether these switch the cells, and how many they may be."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from memrix._support.validation import plain_settings, require_integer, require_number
from memrix.device import DeviceParameters, PulseVoltages, pulse_voltages, switching_shares
from memrix.device.arguments import described
from memrix.device.ranges import (
    NO_BREAKDOWN,
    PULSE_RANGE,
    require_bandwidth,
    require_pulse_width,
    require_read_voltage,
)
from memrix.errors import SettingsError

LEAST_PULSE = 0.01  # V, of a SET or a RESET
MOST_PULSES = 20_000  # of one cell: minutes for a million cells
MOST_STUCK = 0.01  # share of cells that pulses may leave as they are


@runtime_checkable
class Pulsed(Protocol):
    """A protocol with SET and RESET pulses.

    Attributes:
        set_voltage: V, or None: that of the device.
        reset_voltage: V, or None: that of the device.
        pulse_width: s.
    """

    @property
    def set_voltage(self) -> float | None: ...  # noqa: D102 - told above
    @property
    def reset_voltage(self) -> float | None: ...  # noqa: D102
    @property
    def pulse_width(self) -> float: ...  # noqa: D102


def pulses_of(protocol: Pulsed, parameters: DeviceParameters) -> PulseVoltages:
    """The SET and RESET voltages of a protocol on a device, in V."""
    own = pulse_voltages(parameters)
    return PulseVoltages(
        set=own.set if protocol.set_voltage is None else protocol.set_voltage,
        reset=own.reset if protocol.reset_voltage is None else protocol.reset_voltage,
    )


def require_pulses(protocol: Pulsed) -> None:
    """Raise SettingsError unless the pulse settings of a protocol are within the range of the device model."""
    plain_settings(protocol)
    require_pulse_width("programming.pulse_width", protocol.pulse_width)
    for name, low, high in (
        ("set_voltage", -PULSE_RANGE, -LEAST_PULSE),
        ("reset_voltage", LEAST_PULSE, PULSE_RANGE),
    ):
        volts = getattr(protocol, name)
        if volts is not None:
            require_number(f"programming.{name}", volts, low, high, "V", why=NO_BREAKDOWN)


def require_read_back(test_voltage: float, read_bits: int, read_bandwidth: float) -> None:
    """Raise SettingsError unless these are settings of a circuit that reads cells back."""
    require_read_voltage("programming.test_voltage", test_voltage)
    require_integer("programming.read_bits", read_bits, 1, 20)
    require_bandwidth("programming.read_bandwidth", read_bandwidth)


def require_effort(pulses: int, advice: str) -> None:
    """Raise SettingsError if a protocol would take more pulses per cell than a simulation gets done."""
    if pulses > MOST_PULSES:
        raise SettingsError(
            f"programming would take up to {pulses:,} pulses per cell, and {MOST_PULSES:,} are the most that memrix "
            f"simulates: {advice}"
        )


def stuck_cells(protocol: Pulsed, parameters: DeviceParameters, least: float) -> list[str]:
    """What to tell of the pulses of a protocol that leave more than a share ``least`` of the cells as they are."""
    pulses = pulses_of(protocol, parameters)
    shares = switching_shares(parameters, *pulses)
    return [
        f"{1 - share:.2%} of the cells are not {verb} by programming.{verb.lower()}_voltage = {volts:g} V"
        for share, verb, volts in zip(shares, ("SET", "RESET"), pulses, strict=True)
        if 1 - share > least
    ]


def require_switching(protocol: Pulsed, parameters: DeviceParameters) -> None:
    """Raise SettingsError unless the SET and RESET pulses of a protocol switch the cells of a device.

    The states of fresh arrays are drawn from what SET and complete RESET leave, and gains follow from them.
    """
    stuck = stuck_cells(protocol, parameters, MOST_STUCK)
    if stuck:
        own = pulse_voltages(parameters)
        raise SettingsError(
            f"device {parameters.source!r} cannot be programmed so: {' and '.join(stuck)} (a RESET is complete from "
            f"{parameters.full_reset_voltage:g} V on); its thresholds ask for {own.set:g} V and {own.reset:g} V, and "
            f"{PULSE_RANGE:g} V is the most: change these settings, or describe a device that they switch"
        )


def require_targets(targets: Any, *, analog: bool) -> None:  # noqa: ANN401
    """Raise SettingsError unless targets are bool, or levels from 0 to 1 of a protocol that reaches these."""
    kind = "bool, or floats from 0 (OFF) to 1 (ON)" if analog else "bool: whether a cell is to be ON"
    if not isinstance(targets, Tensor):
        raise SettingsError(f"targets of programming are a tensor of {kind}, got {described(targets)}")
    if targets.dtype == torch.bool:
        return
    if analog and targets.is_floating_point() and _levels(targets):
        return
    raise SettingsError(f"targets of programming are {kind}, got {described(targets)}")


def _levels(targets: Tensor) -> bool:
    if not targets.numel():
        return True
    lowest, highest = (float(end) for end in targets.aminmax())
    return lowest >= 0 and highest <= 1
