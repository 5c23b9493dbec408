"""A device from the cycles of fewer devices than statistics can be fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from memrix._support.validation import require_positive
from memrix.device.fitting.cycles import Cycles
from memrix.device.fitting.estimation import FULL_RESET_VOLTAGE, fit_curves
from memrix.device.fitting.sufficiency import DEVICES_PER_COMPONENT, require_usable
from memrix.device.parameters import HRS, LRS, Array, DeviceParameters
from memrix.device.parametric import RESET_EXPONENT, normal_device
from memrix.errors import DataError, SettingsError

FEWEST_DEVICES = DEVICES_PER_COMPONENT


@dataclass(frozen=True, eq=False)
class FewDevices:
    """Parameters from the means and spreads of a few devices.

    Attributes:
        parameters: of the device.
        assumptions: what was assumed because so few devices do not show it, one sentence each.
    """

    parameters: DeviceParameters
    assumptions: tuple[str, ...]


def fit_few_devices(
    cycles: Cycles,
    *,
    read_voltage: float = 0.2,
    full_reset_voltage: float | None = None,
    reset_exponent: float = RESET_EXPONENT,
) -> FewDevices:
    """A device with the mean of each feature, its spread from device to device, and that from cycle to cycle.

    The spread of measured means holds what the cycles of a device leave uncertain of its mean; that is taken out. Of
    one device, the spread between devices is taken to be that between cycles; of one cycle of each, the other way
    round.

    Args:
        cycles: of any number of devices; two devices or two cycles at least.
        read_voltage: in V, at which the resistances were measured.
        full_reset_voltage: in V, at which a RESET is complete; by default the peak of the loops that the cycles come
            from, or else 1.46 V.
        reset_exponent: curvature of the current along a partial reset.

    Raises:
        DataError: the cycles do not allow it: every reason, and what would.
        SettingsError: an option out of its range.
    """
    full_reset = full_reset_voltage or cycles.sweep_peak or FULL_RESET_VOLTAGE
    require_positive("read_voltage", read_voltage, "V")
    require_positive("full_reset_voltage", full_reset, "V")
    require_positive("reset_exponent", reset_exponent, "units of 1")
    require_usable(cycles, read_voltage=read_voltage, full_reset_voltage=full_reset)
    devices, count = len(cycles.devices), cycles.count
    if devices == 1 and count == 1:
        raise DataError("one cycle of one device shows no spread: measure more cycles of it, or more devices")
    low, high = fit_curves(cycles, read_voltage)
    between, within = _deviations(cycles.features)
    assumptions = [
        "Assumed: features are normally distributed (R_HRS log-normally), independent of each other and of earlier "
        "cycles",
    ]
    if devices == 1:
        assumptions.append("One device does not show how devices differ: assumed as much as the cycles of this one")
    if count == 1:
        assumptions.append("One cycle of each does not show how cycles differ: assumed as much as these devices")
    means = cycles.features.mean(axis=(0, 1))
    try:
        parameters = normal_device(
            f"means and spreads of {devices} device{'s' if devices > 1 else ''} of {count} cycles",
            means=means,
            device_deviations=between,
            cycle_deviations=within,
            low_resistance=low,
            high_resistance=high,
            read_voltage=float(read_voltage),
            full_reset_voltage=float(full_reset),
            reset_exponent=float(reset_exponent),
        )
    except SettingsError as error:
        raise DataError(f"{error}; measure {FEWEST_DEVICES} devices or more") from error
    assumptions.insert(0, _described(means, between, within))
    return FewDevices(parameters, tuple(assumptions))


def _deviations(features: Array) -> tuple[Array, Array]:
    """Standard deviations ``[4]`` from device to device and from cycle to cycle."""
    devices, count = features.shape[:2]
    means = features.mean(axis=1)
    within = np.sqrt(features.var(axis=1, ddof=min(1, count - 1)).mean(axis=0))
    if devices == 1:
        return within, within
    if count == 1:
        between = means.std(axis=0, ddof=1)
        return between, between
    return np.sqrt(np.maximum(means.var(axis=0, ddof=1) - within**2 / count, 0.0)), within


def _described(means: Array, between: Array, within: Array) -> str:
    on, off = means[LRS], 10 ** means[HRS]
    # Of a log-normal number, relative to its median.
    off_spreads = [float(np.sqrt(np.expm1((np.log(10) * deviation[HRS]) ** 2))) for deviation in (between, within)]
    return (
        f"R_on = {on:.4g} ohm, spread {between[LRS] / on:.1%} between devices and {within[LRS] / on:.1%} between "
        f"cycles; R_off = {off:.4g} ohm, spread {off_spreads[0]:.1%} and {off_spreads[1]:.1%}"
    )
