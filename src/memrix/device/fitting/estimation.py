"""Estimating the parameters of the Synaptogen model from measured switching cycles.

The model (Hennen et al., 10.3389/fnins.2022.941753): the features of cycle ``n`` of a device are
``mu + sigma * Gamma(x_n)``; ``Gamma`` is a polynomial per feature, ``x_n`` a vector autoregression over the cycles
with scores of variance 1, and ``(mu, sigma)`` of a device are drawn from a Gaussian mixture. Estimated in this order:

1. mean and deviation of each feature in each device;
2. ``Gamma``: least squares between the quantiles of the standardized features of all devices and normal scores;
3. the autoregressions, from the normal scores that invert ``Gamma``;
4. the mixture of the means and deviations, by expectation maximization.

A series of ``C`` correlated cycles has a mean of its own, a deviation that is too low, and a smoothed distribution.
With the built-in device and ``C = 300`` the mean of the LRS resistance is uncertain by 0.3 of the deviation, and the
deviation 5 % too low; with ``C = 60`` by 0.54 and 16 %. What is corrected: the covariances over cycles, from the
autoregression itself (``memory``); the quantiles, the deviations and the covariance between devices, by simulating
series of the same length from the fit. What remains:

- a memory longer than the order, or than about a quarter of the series, looks like a difference between devices;
- devices are told apart by their measured means and deviations: with short series the mixture's components blur, and
  their weights with them, while the mean and the covariance over all devices stay right;
- the covariance of a component with few devices is uncertain, without rank below 9 of them, and at least 2 % of what
  is measured is kept in every direction;
- ``mu``, ``sigma`` and ``Gamma`` are known up to a shift and a factor only: here ``Gamma`` of a standard normal
  number has mean 0 and variance 1, so that ``mu`` and ``sigma`` are a device's stationary mean and deviation.

Standard errors, with 300 devices of 300 cycles of the built-in device: means over devices, 6 % of the deviation
between devices; that deviation, 5 % of itself, and up to 13 % where there are outliers among the devices;
correlations over cycles, 0.01; ``Gamma`` within two deviations, 0.01 of the deviation. The first two fall with the
root of the number of devices, however many cycles there are.

A measured record is taken as stationary: its first cycle is as good as its last. In the model the history of a fresh
cell is zero, so its first cycles, for as long as its memory lasts, vary less than measured ones.
"""

from __future__ import annotations

import numpy as np

from memrix._support.validation import require_integer, require_positive
from memrix.device.fitting.cycles import Cycles
from memrix.device.fitting.layout import HIGH_CURVE, LOW_CURVE
from memrix.device.fitting.memory import fit_autoregressions
from memrix.device.fitting.population import Mixture, SamplingError, fit_mixture, sampling_error, simulated_series
from memrix.device.fitting.process import covariance_of_mean
from memrix.device.fitting.shapes import fit_polynomials, invert, largest_score, quantiles, standardize
from memrix.device.fitting.sufficiency import CYCLES_PER_ORDER, DEGREES, DEVICES_PER_COMPONENT, require_sufficient
from memrix.device.parameters import FEATURES, HRS, LRS, Array, DeviceParameters
from memrix.device.parametric import RESET_EXPONENT
from memrix.errors import DataError

FEATURE_DEGREE = 4
_LEAST_CONTRAST = 0.01  # of a device, as a share of the extremes': units that are wrong by 1,000 leave less
FULL_RESET_VOLTAGE = 1.46  # V, that of the device of the synaptogen package
MOST_ORDER, MOST_COMPONENTS = 10, 3  # those of the same device
_CORRECTION_ROUNDS = 3
_UNCERTAIN_MEAN = 0.7  # of the variance, that the mean of a series may have: beyond, it hardly varies within


def fit_parameters(
    cycles: Cycles,
    *,
    order: int | None = MOST_ORDER,
    components: int | None = MOST_COMPONENTS,
    read_voltage: float = 0.2,
    full_reset_voltage: float | None = None,
    reset_exponent: float = RESET_EXPONENT,
    seed: int = 0,
) -> DeviceParameters:
    """Parameters of the model that describe measured cycles; the module says how, and what remains uncertain.

    Args:
        cycles: the measurements.
        order: the highest order of the autoregressions; all from 1 on are fitted. None: 10, or fewer, at most a
            quarter of the cycles and of a memory that so many cycles can show.
        components: of the mixture that devices are drawn from. None: 3, or fewer, so that each has nine devices.
        read_voltage: in V, at which the resistances were measured.
        full_reset_voltage: in V, at which a reset is complete; by default the highest of the loops from which the
            cycles were extracted, or else 1.46 V.
        reset_exponent: curvature of the current along a partial reset, which these measurements do not show.
        seed: of the starts of the mixture and of the simulated series.

    Raises:
        DataError: the cycles do not allow this fit: every reason, and what would.
        SettingsError: an option out of its range.
    """
    highest = max(1, min(MOST_ORDER, cycles.count // CYCLES_PER_ORDER)) if order is None else order
    require_integer("order", highest, 1, 100)
    require_integer("components", MOST_COMPONENTS if components is None else components, 1, 20)
    if full_reset_voltage is None:
        full_reset_voltage = cycles.sweep_peak or FULL_RESET_VOLTAGE
    voltages = {"read_voltage": read_voltage, "full_reset_voltage": full_reset_voltage}
    for name, value in voltages.items():
        require_positive(name, value, "V")
    require_positive("reset_exponent", reset_exponent, "units of 1")
    require_sufficient(cycles, order=highest, components=components or 1, **voltages)
    low, high = fit_curves(cycles, read_voltage)
    standardized, means, deviations = standardize(cycles.features)
    limit, measured = largest_score(standardized.size // len(FEATURES)), quantiles(standardized)
    polynomials = fit_polynomials(measured, FEATURE_DEGREE, limit)
    # Weighed by their deviations again: series that wander far would count too little, and memory seem too short.
    scores = invert(polynomials, standardized, limit) * (deviations / deviations.mean(axis=0))[:, None]
    autoregressions = (fit_autoregressions if order is not None else _memory_shown)(scores, highest)
    order = max(autoregressions)
    polynomials = _corrected(polynomials, measured, autoregressions[order], limit, cycles.count, seed)
    series = simulated_series(autoregressions[order], polynomials, cycles.count, seed)
    mixture = _suitable_mixture(means, deviations, sampling_error(series), components, seed)
    return DeviceParameters(
        source=f"fit of {len(cycles.devices)} devices of {cycles.count} cycles",
        low_resistance=low,
        high_resistance=high,
        **{name: float(volts) for name, volts in voltages.items()},
        reset_exponent=float(reset_exponent),
        feature_polynomials=polynomials,
        mixture_weights=mixture.weights,
        mixture_means=mixture.means,
        mixture_cholesky=mixture.cholesky,
        autoregressions=autoregressions,
    )


def _corrected(
    polynomials: Array, measured: Array, autoregression: Array, limit: float, count: int, seed: int
) -> Array:
    """Polynomials that give measured quantiles after what standardizing a short series does to its own."""
    for _ in range(_CORRECTION_ROUNDS):
        series = simulated_series(autoregression, polynomials, count, seed)
        smoothing = quantiles(standardize(series)[0]) - quantiles(series / series.std(axis=(0, 1)))
        polynomials = fit_polynomials(measured - smoothing, FEATURE_DEGREE, limit)
    return polynomials


def _suitable_mixture(
    means: Array, deviations: Array, error: SamplingError, components: int | None, seed: int
) -> Mixture:
    """A mixture of so many components; None: of the most of which each describes enough devices."""
    tried = components or min(MOST_COMPONENTS, len(means) // DEVICES_PER_COMPONENT)
    mixture = fit_mixture(means, deviations, error, tried, seed)
    while components is None and tried > 1 and mixture.weights.min() * len(means) < DEVICES_PER_COMPONENT:
        tried -= 1
        mixture = fit_mixture(means, deviations, error, tried, seed)
    return mixture


def _memory_shown(scores: Array, highest: int) -> dict[int, Array]:
    """Autoregressions up to the highest order whose memory series of this length can show.

    Raises:
        DataError: the memory of the cycles is too long whatever the order.
    """
    for order in range(highest, 1, -1):
        try:
            fitted = fit_autoregressions(scores, order)
        except DataError:
            continue
        if np.diagonal(covariance_of_mean(fitted[order], scores.shape[1])).max() <= _UNCERTAIN_MEAN:
            return fitted
    return fit_autoregressions(scores, 1)


def fit_curves(cycles: Cycles, read_voltage: float) -> tuple[Array, Array]:
    """Polynomials of the low-resistance and the high-resistance extreme.

    Raises:
        DataError: the first does not conduct better than the second at the read voltage, in V; or the resistances
            of the cycles are no mixtures of the two.
    """
    low = _fit_curve(cycles.low_curve, DEGREES[LOW_CURVE])
    high = _fit_curve(cycles.high_curve, DEGREES[HIGH_CURVE])
    _require_contrast(low, high, read_voltage)
    _require_mixtures(cycles, *(float(np.polyval(curve, read_voltage) / read_voltage) for curve in (low, high)))
    return low, high


def _fit_curve(curve: Array, degree: int) -> Array:
    """``[degree + 1]``: least squares polynomial without a constant, for there is no current without a voltage."""
    voltage, current = curve.T
    # In units of the largest voltage and current, lest the powers differ by orders of magnitude.
    reach, height = np.abs(voltage).max(), np.abs(current).max() or 1.0
    powers = np.arange(degree, 0, -1)
    coefficients, *_ = np.linalg.lstsq((voltage[:, None] / reach) ** powers, current / height)
    return np.append(coefficients * height / reach**powers, 0.0)


def _require_contrast(low: Array, high: Array, read_voltage: float) -> None:
    conductances = [float(np.polyval(curve, read_voltage) / read_voltage) for curve in (low, high)]
    if conductances[0] <= conductances[1]:
        raise DataError(
            f"the curve {LOW_CURVE} conducts {conductances[0]:.3g} S at {read_voltage:g} V, and {HIGH_CURVE} "
            f"{conductances[1]:.3g} S: the first must conduct better; have they been interchanged?"
        )


def _require_mixtures(cycles: Cycles, low: float, high: float) -> None:
    """Raise DataError where resistances and curves, of conductances in S, cannot be of one device in one unit."""
    off, on = 1 / np.median(10 ** cycles.features[..., HRS]), 1 / np.median(cycles.features[..., LRS])
    if on <= off:
        raise DataError(
            f"the median of R_HRS, {1 / off:.3g} ohm, does not lie above that of R_LRS, {1 / on:.3g} ohm: are both "
            f"in ohm, and have they been interchanged?"
        )
    window = low - high
    if on - off < _LEAST_CONTRAST * window or on > low + window:
        raise DataError(
            f"the resistances and the I-V curves are not of one device: cells of the median R_LRS and R_HRS conduct "
            f"{on:.3g} and {off:.3g} S, and the extremes that they are mixtures of {low:.3g} S ({LOW_CURVE}) and "
            f"{high:.3g} S ({HIGH_CURVE}) at the read voltage; give resistances in ohm, voltages in V and currents "
            f"in A, and the voltage at which the resistances were measured"
        )
