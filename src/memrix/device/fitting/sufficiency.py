"""Whether measured cycles allow a fit, and if not, what would."""

from __future__ import annotations

import numpy as np

from memrix._support.tables import listed
from memrix._support.wording import listing
from memrix.device.fitting.cycles import Cycles
from memrix.device.fitting.layout import FEATURE_COLUMNS, HIGH_CURVE, LOW_CURVE
from memrix.device.parameters import FEATURES, RESET_VOLTAGE
from memrix.errors import DataError

DEGREES = {LOW_CURVE: 6, HIGH_CURVE: 5}  # of the polynomials of the curves
FEWEST_CYCLES = 20
CYCLES_PER_ORDER = 4
# A covariance of 8 offsets and scales has full rank from 9 devices on.
DEVICES_PER_COMPONENT = 2 * len(FEATURES) + 1
_BEYOND_RESET = 0.01
_NAMED = 5


def require_sufficient(
    cycles: Cycles,
    *,
    order: int,
    components: int,
    read_voltage: float,
    full_reset_voltage: float,
) -> None:
    """Raise DataError with every reason why the model cannot be fitted to the cycles.

    Args:
        cycles: the measurements.
        order: of the autoregression.
        components: of the mixture.
        read_voltage: in V, must lie within both curves.
        full_reset_voltage: in V, must lie above the RESET voltages.
    """
    _require(
        [
            *_too_few_cycles(cycles.count, order),
            *_too_few_devices(len(cycles.devices), components),
            *_constant_features(cycles),
            *_unusable(cycles, read_voltage, full_reset_voltage),
        ]
    )


def require_usable(cycles: Cycles, *, read_voltage: float, full_reset_voltage: float) -> None:
    """Raise DataError with every reason why not even means and curves can be taken from the cycles.

    Args:
        cycles: the measurements.
        read_voltage: in V, must lie within both curves.
        full_reset_voltage: in V, must lie above the RESET voltages.
    """
    _require(_unusable(cycles, read_voltage, full_reset_voltage))


def _require(problems: list[str]) -> None:
    if problems:
        raise DataError(f"the model cannot be fitted to these cycles:{listing(problems)}")


def _unusable(cycles: Cycles, read_voltage: float, full_reset_voltage: float) -> list[str]:
    problems = [*_poor_curves(cycles, read_voltage), *_beyond_reset(cycles, full_reset_voltage)]
    if read_voltage >= full_reset_voltage:
        problems.append(
            f"the read voltage, {read_voltage:g} V, must lie below the full reset voltage, {full_reset_voltage:g} V"
        )
    return problems


def _too_few_cycles(count: int, order: int) -> list[str]:
    fewest = max(FEWEST_CYCLES, CYCLES_PER_ORDER * order)
    if count >= fewest:
        return []
    lower = f", or give order {count // CYCLES_PER_ORDER} or less" if count >= FEWEST_CYCLES else ""
    return [
        f"there are {count} cycles of each device, but order {order} needs at least {fewest}: {CYCLES_PER_ORDER} "
        f"times the order, and never fewer than {FEWEST_CYCLES}; measure more cycles{lower}"
    ]


def _too_few_devices(count: int, components: int) -> list[str]:
    fewest = DEVICES_PER_COMPONENT * components
    if count >= fewest:
        return []
    possible = count // DEVICES_PER_COMPONENT
    fewer = f", or give {possible} component{'s' if possible > 1 else ''}" if possible else ""
    if not possible:
        fewer = ", or describe these by means and spreads (fit_few_devices)"
    return [
        f"there are {count} devices, but a mixture of {components} component{'s' if components > 1 else ''} needs at "
        f"least {fewest}: {DEVICES_PER_COMPONENT} a component, one more than the {2 * len(FEATURES)} offsets and "
        f"scales whose covariance it has; measure more devices{fewer}"
    ]


def _constant_features(cycles: Cycles) -> list[str]:
    constant = np.ptp(cycles.features, axis=1) <= 1e-12 * np.abs(cycles.features).max(axis=1)
    problems = []
    for index, column in enumerate(FEATURE_COLUMNS):
        names = [cycles.devices[device] for device in np.flatnonzero(constant[:, index])]
        if names:
            problems.append(
                f"{column} is the same in all cycles of {listed(names, _NAMED)}: leave these devices out, or measure "
                "in finer steps"
            )
    return problems


def _poor_curves(cycles: Cycles, read_voltage: float) -> list[str]:
    problems = []
    for name, curve in ((LOW_CURVE, cycles.low_curve), (HIGH_CURVE, cycles.high_curve)):
        voltages = np.unique(curve[curve[:, 0] != 0, 0])
        if len(voltages) <= DEGREES[name]:
            problems.append(
                f"the curve {name} has {len(voltages)} different voltages other than 0 V, but its polynomial, of "
                f"degree {DEGREES[name]}, needs at least {DEGREES[name] + 1}"
            )
        elif not voltages[0] <= read_voltage <= voltages[-1]:
            problems.append(
                f"the curve {name} runs from {voltages[0]:g} to {voltages[-1]:g} V and does not contain the read "
                f"voltage, {read_voltage:g} V: give the voltage at which the resistances were measured"
            )
    return problems


def _beyond_reset(cycles: Cycles, full_reset_voltage: float) -> list[str]:
    share = (cycles.features[..., RESET_VOLTAGE] >= full_reset_voltage).mean()
    if share <= _BEYOND_RESET:
        return []
    return [
        f"{100 * share:.1f} % of U_reset lie at or above the full reset voltage, {full_reset_voltage:g} V: give the "
        "highest voltage of the sweeps"
    ]
