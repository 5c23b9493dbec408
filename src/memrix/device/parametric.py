"""A device technology from a few numbers: resistances, spreads and voltages, where no statistics were measured."""

from __future__ import annotations

import math

import numpy as np

from memrix._support.validation import require_number, require_positive
from memrix.device.parameters import FEATURES, HRS, LRS, RESET_VOLTAGE, SET_VOLTAGE, Array, DeviceParameters
from memrix.device.ranges import PULSE_RANGE
from memrix.errors import SettingsError

# Typical voltages and relative spreads of the measured device (Hennen et al., 10.3389/fnins.2022.941753).
SET_AT, RESET_AT, RESET_EXPONENT = -0.67, 0.73, 3.0567
VOLTAGE_DEVICE_SPREAD, VOLTAGE_CYCLE_SPREAD = 0.08, 0.10
_FULL_RESET = 2.0  # of the RESET voltage, as in the measured device
_ON_STATE = 0.16  # that of a nominal ON cell of the measured device, between the two extremes
_LARGEST_SPREAD = 0.3  # relative, of a normal number that must not change its sign: 4 in 10,000 do
_LARGEST_RESISTANCE = 1e15  # ohm
_LARGEST_OFF_SPREAD = 10.0  # relative


def parametric_device(
    on_resistance: float,
    off_resistance: float,
    device_spread: float,
    cycle_spread: float,
    *,
    set_voltage: float = SET_AT,
    reset_voltage: float = RESET_AT,
    voltage_device_spread: float = VOLTAGE_DEVICE_SPREAD,
    voltage_cycle_spread: float = VOLTAGE_CYCLE_SPREAD,
    read_voltage: float = 0.2,
    full_reset_voltage: float | None = None,
) -> DeviceParameters:
    """Parameters of a device of which the two resistances and their spreads are known.

    Cells are ohmic. Their features are independent of each other and of earlier cycles. ON resistances and voltages
    are normally distributed, OFF resistances log-normally: each device has a mean of its own, around which its cycles
    vary. ``save_parameters`` writes a file that ``device.parameters`` of a ``Hardware`` can name.

    Args:
        on_resistance: mean of the low-resistance state in ohm.
        off_resistance: median of the high-resistance state in ohm.
        device_spread: standard deviation of both from device to device, relative to them; 0.1 is 10 %.
        cycle_spread: the same from cycle to cycle of one device.
        set_voltage: mean in V, below 0; by default that of the measured device.
        reset_voltage: mean in V, above 0, at which a RESET begins; by default that of the measured device.
        voltage_device_spread: standard deviation of both voltages from device to device, relative to them.
        voltage_cycle_spread: the same from cycle to cycle.
        read_voltage: in V, at which the resistances are those given.
        full_reset_voltage: in V, from which a RESET is complete; twice ``reset_voltage`` by default, as in the
            measured device.

    Raises:
        SettingsError: a number out of its range, or an OFF resistance that is not above the ON resistance.
    """
    require_number("on_resistance", on_resistance, 1e-3, _LARGEST_RESISTANCE, "ohm")
    require_number("off_resistance", off_resistance, 1e-3, _LARGEST_RESISTANCE, "ohm")
    if on_resistance >= off_resistance:
        raise SettingsError(
            f"off_resistance must lie above on_resistance, got {off_resistance:g} and {on_resistance:g} ohm; have "
            "they been interchanged?"
        )
    full_reset = _full_reset(read_voltage, set_voltage, reset_voltage, full_reset_voltage)
    _require_spreads(device_spread, cycle_spread, voltage_device_spread, voltage_cycle_spread)
    means = np.empty(len(FEATURES))
    means[[HRS, LRS]] = math.log10(off_resistance), on_resistance
    means[[SET_VOLTAGE, RESET_VOLTAGE]] = set_voltage, reset_voltage
    spreads = np.array([[device_spread, cycle_spread], [voltage_device_spread, voltage_cycle_spread]])
    deviations = _deviations(on_resistance, set_voltage, reset_voltage, spreads)
    return normal_device(
        f"{on_resistance:g} and {off_resistance:g} ohm, spreads of {device_spread:g} and {cycle_spread:g}",
        means=means,
        device_deviations=deviations[:, 0],
        cycle_deviations=deviations[:, 1],
        # In the high-resistance extreme no current flows: both states lie between the extremes.
        low_resistance=np.array([1 / (on_resistance * (1 - _ON_STATE)), 0.0]),
        high_resistance=np.array([0.0, 0.0]),
        read_voltage=float(read_voltage),
        full_reset_voltage=float(full_reset),
    )


def _require_spreads(device: float, cycle: float, voltage_device: float, voltage_cycle: float) -> None:
    for name, spread in (("device_spread", device), ("cycle_spread", cycle)):
        require_number(name, spread, 0, _LARGEST_OFF_SPREAD)
    for name, spread in (("voltage_device_spread", voltage_device), ("voltage_cycle_spread", voltage_cycle)):
        require_number(name, spread, 0, _LARGEST_SPREAD)


def _deviations(on_resistance: float, set_voltage: float, reset_voltage: float, spreads: Array) -> Array:
    """Standard deviations of every feature from device to device and from cycle to cycle, ``[features, 2]``."""
    deviations = np.empty((len(FEATURES), 2))
    deviations[HRS] = np.sqrt(np.log1p(spreads[0] ** 2)) / math.log(10)
    deviations[LRS] = on_resistance * spreads[0]
    deviations[SET_VOLTAGE], deviations[RESET_VOLTAGE] = -set_voltage * spreads[1], reset_voltage * spreads[1]
    return deviations


def _full_reset(
    read_voltage: float, set_voltage: float, reset_voltage: float, full_reset_voltage: float | None
) -> float:
    """The voltage in V of a complete RESET; SettingsError unless all four voltages can be those of one device."""
    require_number("set_voltage", set_voltage, -PULSE_RANGE, -1e-3, "V")
    require_number("reset_voltage", reset_voltage, 1e-3, PULSE_RANGE, "V")
    require_positive("read_voltage", read_voltage, "V")
    full_reset = _FULL_RESET * reset_voltage if full_reset_voltage is None else full_reset_voltage
    require_positive("full_reset_voltage", full_reset, "V")
    if not read_voltage < min(reset_voltage, -set_voltage) or reset_voltage >= full_reset:
        raise SettingsError(
            f"read_voltage ({read_voltage:g} V) must lie below the switching voltages ({set_voltage:g} and "
            f"{reset_voltage:g} V), and reset_voltage below full_reset_voltage ({full_reset:g} V)"
        )
    return full_reset


def normal_device(
    source: str,
    *,
    means: Array,
    device_deviations: Array,
    cycle_deviations: Array,
    low_resistance: Array,
    high_resistance: Array,
    read_voltage: float,
    full_reset_voltage: float,
    reset_exponent: float = RESET_EXPONENT,
) -> DeviceParameters:
    """Parameters of a device whose features are normal, independent of each other and of earlier cycles.

    Args:
        source: where the numbers come from.
        means: ``[4]``, of log10 of the HRS resistance in ohm, SET voltage in V, LRS resistance in ohm, RESET voltage
            in V.
        device_deviations: ``[4]``, standard deviations from device to device.
        cycle_deviations: ``[4]``, standard deviations from cycle to cycle.
        low_resistance: polynomial of the low-resistance extreme in A over V, highest degree first, ending in 0.
        high_resistance: the same of the high-resistance extreme.
        read_voltage: in V, at which resistances are defined.
        full_reset_voltage: in V, from which a RESET is complete.
        reset_exponent: curvature of the current along a partial reset.

    Raises:
        SettingsError: a spread with which voltages or ON resistances would change their sign.
    """
    total = np.hypot(device_deviations, cycle_deviations) / np.abs(means)
    wide = [f"{FEATURES[i]} {total[i]:.0%}" for i in (SET_VOLTAGE, LRS, RESET_VOLTAGE) if total[i] > _LARGEST_SPREAD]
    if wide:
        raise SettingsError(
            f"too large a spread in all, relative to the mean: {', '.join(wide)}; a normal number that keeps its "
            f"sign has at most {_LARGEST_SPREAD:.0%}"
        )
    count = len(FEATURES)
    return DeviceParameters(
        source=source,
        low_resistance=low_resistance,
        high_resistance=high_resistance,
        read_voltage=read_voltage,
        full_reset_voltage=full_reset_voltage,
        reset_exponent=reset_exponent,
        feature_polynomials=np.tile([1.0, 0.0], (count, 1)),
        mixture_weights=np.ones(1),
        mixture_means=np.concatenate([means, cycle_deviations])[None],
        mixture_cholesky=np.diag(np.concatenate([device_deviations, np.zeros(count)]))[None],
        autoregressions={1: np.hstack([np.eye(count), np.zeros((count, count))])},
    )
