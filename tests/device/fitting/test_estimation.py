"""Recovery of known parameters, within tolerances of four standard errors.

The parameters themselves are known only up to a shift and a factor of the scores; compared is what does not depend on
those: distributions, means and covariances of devices, covariances over cycles, currents.
"""

import dataclasses

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss

from memrix.device import DeviceParameters, load_parameters, save_parameters
from memrix.device.fitting import Cycles, fit_parameters, simulate_cycles
from memrix.device.fitting.few_devices import fit_few_devices
from memrix.device.fitting.process import autocovariances, covariance_of_mean, spectral_radius
from memrix.device.fitting.shapes import standardize
from memrix.device.fitting.simulation import draw_devices
from memrix.errors import DataError, SettingsError

SIGMAS = 4


def shaped(parameters: DeviceParameters, scores: np.ndarray) -> np.ndarray:
    """``[4, scores]``: the polynomials, rescaled to mean 0 and deviation 1."""
    mean, deviation = moments(parameters)
    values = np.stack([np.polyval(polynomial, scores) for polynomial in parameters.feature_polynomials])
    return (values - mean[:, None]) / deviation[:, None]


def moments(parameters: DeviceParameters) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each polynomial of a standard normal number."""
    nodes, weights = hermegauss(20)
    values = np.stack([np.polyval(polynomial, nodes) for polynomial in parameters.feature_polynomials])
    weights = weights / weights.sum()
    mean = values @ weights
    return mean, np.sqrt((values - mean[:, None]) ** 2 @ weights)


def devices(parameters: DeviceParameters) -> np.ndarray:
    """``[devices, 8]``: stationary means and deviations of the features of many devices of the mixture."""
    offsets, scales = draw_devices(parameters, 200_000, np.random.default_rng(0))
    mean, deviation = moments(parameters)
    return np.hstack([offsets + scales * mean, scales * deviation])


def correlations(parameters: DeviceParameters, lags: int) -> np.ndarray:
    """``[lags + 1, 4, 4]``: of the scores."""
    lagged = autocovariances(parameters.autoregression(), lags)
    deviation = np.sqrt(np.diagonal(lagged[0]))
    return lagged / np.outer(deviation, deviation)


def relative_error_of_deviation(values: np.ndarray, count: int) -> np.ndarray:
    """Standard error of the standard deviation of ``count`` values, relative to it, for any distribution."""
    centerd = values - values.mean(axis=0)
    kurtosis = (centerd**4).mean(axis=0) / (centerd**2).mean(axis=0) ** 2
    return np.sqrt((kurtosis - 1) / (4 * count))


def test_means_over_devices_are_recovered(built_in, measured, fitted):
    true, found = devices(built_in), devices(fitted)
    error = true.std(axis=0) / np.sqrt(len(measured.devices))
    assert np.all(np.abs(found.mean(axis=0) - true.mean(axis=0)) < SIGMAS * error)


def test_differences_between_devices_are_recovered(built_in, measured, fitted):
    true, found = devices(built_in), devices(fitted)
    error = relative_error_of_deviation(true, len(measured.devices))
    assert np.all(np.abs(found.std(axis=0) / true.std(axis=0) - 1) < SIGMAS * error)


def test_correlations_between_devices_are_recovered(built_in, measured, fitted):
    true, found = (np.corrcoef(devices(parameters).T) for parameters in (built_in, fitted))
    # 1 / sqrt(n) holds for normal numbers; the outliers among the devices about double it.
    assert np.abs(found - true).max() < SIGMAS * 2 / np.sqrt(len(measured.devices))


def test_distributions_within_a_device_are_recovered(built_in, fitted):
    scores = np.linspace(-2, 2, 41)
    # In units of the deviation; 0.006 is the scatter of repeated fits, the largest of 41 places a few times that.
    np.testing.assert_allclose(shaped(fitted, scores), shaped(built_in, scores), atol=0.04)


def test_correlations_over_cycles_are_recovered(built_in, measured, fitted):
    true, found = correlations(built_in, 30), correlations(fitted, 30)
    # Bartlett's formula, of the feature with the longest memory.
    squares = 1 + 2 * (correlations(built_in, 200)[1:, 2, 2] ** 2).sum()
    error = np.sqrt(2 * squares / (len(measured.devices) * measured.count))
    assert np.abs(found - true).max() < SIGMAS * error


def test_the_slowest_memory_is_recovered(built_in, fitted):
    assert spectral_radius(fitted.autoregression()) == pytest.approx(
        spectral_radius(built_in.autoregression()), abs=0.01
    )


def test_every_order_has_scores_of_variance_one(fitted):
    assert sorted(fitted.autoregressions) == list(range(1, 11))
    for matrix in fitted.autoregressions.values():
        np.testing.assert_allclose(np.diagonal(autocovariances(matrix, 0)[0]), 1.0, rtol=1e-6)


def test_curves_without_noise_are_recovered_exactly(built_in, fitted):
    volts = np.linspace(-0.6, 0.6, 25)
    for name in ("low_resistance", "high_resistance"):
        true, found = (np.polyval(getattr(parameters, name), volts) for parameters in (built_in, fitted))
        np.testing.assert_allclose(found, true, rtol=1e-9, atol=1e-15)


def test_polynomials_rise_over_the_scores_that_occur(fitted):
    scores = np.linspace(-4.3, 4.3, 200)
    for polynomial in fitted.feature_polynomials:
        assert np.polyval(np.polyder(polynomial), scores).min() > 0


def test_short_series_do_not_pass_their_chance_on_to_the_devices(built_in):
    """With 60 cycles the measured means of the LRS resistance scatter by a seventh more than the devices do."""
    measured = simulate_cycles(built_in, devices=800, cycles=60, seed=4)
    true = devices(built_in)
    error = SIGMAS * relative_error_of_deviation(true, len(measured.devices))
    found = devices(fit_parameters(measured))
    assert np.all(np.abs(found.std(axis=0) / true.std(axis=0) - 1) < error)
    naive = measured.features[..., 2].mean(axis=1).std()
    chance = covariance_of_mean(built_in.autoregression(), 60)[2, 2] * (true[:, 6] ** 2).mean()
    expected = np.sqrt(1 + chance / true[:, 2].var())
    assert expected > 1.14
    # The same devices on both sides: what remains is the uncertainty of the correction, about 0.04 in repeated fits.
    assert naive / found[:, 2].std() == pytest.approx(expected, abs=0.1)


def test_short_series_do_not_shorten_the_memory(built_in):
    """With 60 cycles the correlations around the measured means are too low by 0.2 and more."""
    measured = simulate_cycles(built_in, devices=800, cycles=60, seed=4)
    standardized, *_ = standardize(measured.features)
    naive = (standardized[:, 10:, 2] * standardized[:, :-10, 2]).mean()
    true = correlations(built_in, 10)[10, 2, 2]
    found = correlations(fit_parameters(measured), 10)[10, 2, 2]
    assert naive < true - 0.2
    # 800 devices of about two independent stretches each, and about as much again for what the means take away.
    assert found == pytest.approx(true, abs=SIGMAS * np.sqrt(2 / 1600))


def second_order(built_in: DeviceParameters) -> DeviceParameters:
    """Features that depend on the last two cycles by 0.4 and 0.2, with scores of variance 1."""
    near, far = 0.4, 0.2
    noise = np.sqrt((1 + far) * ((1 - far) ** 2 - near**2) / (1 - far))
    matrix = np.hstack([noise * np.eye(4), far * np.eye(4), near * np.eye(4)])
    return dataclasses.replace(built_in, autoregressions={2: matrix})


def test_an_autoregression_of_another_order_is_recovered_and_more_history_adds_nothing(built_in):
    true = second_order(built_in)
    measured = simulate_cycles(true, devices=200, cycles=200, seed=5)
    fitted = fit_parameters(measured, order=4)
    error = 5 / np.sqrt(200 * 200)  # five, for the largest of a hundred weights
    np.testing.assert_allclose(fitted.autoregression(2), true.autoregression(2), atol=error)
    np.testing.assert_allclose(fitted.autoregression(4)[:, 4:12], 0, atol=error)  # four and three cycles back
    np.testing.assert_allclose(fitted.autoregression(4)[:, 12:], true.autoregression(2)[:, 4:], atol=error)


def test_components_that_lie_apart_are_recovered(built_in):
    shift = np.array([0.5, 0.4, 1500.0, -0.2, 0.1, 0.05, 100.0, 0.03])
    means = built_in.mixture_means[0] + np.outer([0, 1], shift)
    weights = np.array([0.7, 0.3])
    true = dataclasses.replace(
        second_order(built_in),
        mixture_weights=weights,
        mixture_means=means,
        mixture_cholesky=built_in.mixture_cholesky[[0, 1]],
    )
    fitted = fit_parameters(simulate_cycles(true, devices=300, cycles=100, seed=6), order=2, components=2)
    np.testing.assert_allclose(fitted.mixture_weights, weights, atol=SIGMAS * np.sqrt(0.7 * 0.3 / 300))
    deviations = np.sqrt((true.mixture_cholesky[:, :4] ** 2).sum(axis=2))
    error = SIGMAS * deviations / np.sqrt(300 * weights[:, None])
    # The offsets hold the mean of the polynomial in the built-in convention.
    expected = means[:, :4] + means[:, 4:] * moments(true)[0]
    assert np.all(np.abs(fitted.mixture_means[:, :4] - expected) < 1.3 * error)


def test_the_same_seed_gives_the_same_parameters(built_in):
    measured = simulate_cycles(built_in, devices=60, cycles=60, seed=7)
    one, same = (fit_parameters(measured, order=3, seed=1) for _ in range(2))
    np.testing.assert_array_equal(one.mixture_cholesky, same.mixture_cholesky)
    np.testing.assert_array_equal(one.feature_polynomials, same.feature_polynomials)


def test_parameters_survive_the_round_trip_through_a_file(fitted, tmp_path):
    save_parameters(fitted, tmp_path / "mydevice.json")
    loaded = load_parameters(str(tmp_path / "mydevice.json"))
    one, same = (simulate_cycles(parameters, 5, 20).features for parameters in (fitted, loaded))
    np.testing.assert_allclose(same, one, rtol=1e-12)


def test_options_become_parameters(built_in):
    measured = simulate_cycles(built_in, devices=30, cycles=40)
    fitted = fit_parameters(
        measured, order=2, components=1, read_voltage=0.1, full_reset_voltage=1.6, reset_exponent=2.5
    )
    assert (fitted.read_voltage, fitted.full_reset_voltage, fitted.reset_exponent) == (0.1, 1.6, 2.5)
    assert fitted.mixture_weights.tolist() == [1.0]


def test_everything_that_does_not_suffice_is_listed_with_a_mend(built_in):
    measured = simulate_cycles(built_in, devices=20, cycles=30)
    features = measured.features.copy()
    features[3, :, 1] = -0.7
    features[:, :2, 3] = 1.5
    poor = dataclasses.replace(
        measured, features=features, low_curve=measured.low_curve[:5], high_curve=measured.high_curve[:7]
    )
    with pytest.raises(DataError) as raised:
        fit_parameters(poor)
    assert [line.strip() for line in str(raised.value).splitlines()[1:]] == [
        "there are 30 cycles of each device, but order 10 needs at least 40: 4 times the order, and never fewer than "
        "20; measure more cycles, or give order 7 or less",
        "there are 20 devices, but a mixture of 3 components needs at least 27: 9 a component, one more than the 8 "
        "offsets and scales whose covariance it has; measure more devices, or give 2 components",
        "U_set is the same in all cycles of d4: leave these devices out, or measure in finer steps",
        "the curve LRS has 5 different voltages other than 0 V, but its polynomial, of degree 6, needs at least 7",
        "the curve HRS runs from -0.6 to -0.54 V and does not contain the read voltage, 0.2 V: give the voltage at "
        "which the resistances were measured",
        "6.7 % of U_reset lie at or above the full reset voltage, 1.46 V: give the highest voltage of the sweeps",
    ]


def test_interchanged_curves_are_recognized(built_in):
    measured = simulate_cycles(built_in, devices=30, cycles=40)
    swapped = Cycles(measured.devices, measured.features, measured.high_curve, measured.low_curve)
    with pytest.raises(DataError, match="have they been interchanged"):
        fit_parameters(swapped, order=2, components=1)


@pytest.mark.parametrize(
    ("off", "on", "current", "message"),
    [
        (1e-3, 1, 1, r"median of R_HRS, \S+ ohm, does not lie above that of R_LRS, \S+ ohm: are both in ohm"),
        (1e-3, 1e-3, 1, "resistances in ohm, voltages in V and currents in A"),
        (1e3, 1e3, 1, "are not of one device"),
        (1, 1, 1e6, "are not of one device"),
        (1, 1, 1e-3, "are not of one device"),
    ],
)
def test_resistances_and_curves_in_other_units_are_recognized(built_in, off, on, current, message):
    measured = simulate_cycles(built_in, devices=30, cycles=40)
    features = measured.features + np.array([np.log10(off), 0, 0, 0])
    features[..., 2] *= on
    low, high = (curve * np.array([1, current]) for curve in (measured.low_curve, measured.high_curve))
    with pytest.raises(DataError, match=message):
        fit_parameters(Cycles(measured.devices, features, low, high), order=2, components=1)
    few = Cycles(measured.devices[:2], features[:2], low, high)
    with pytest.raises(DataError, match=message):
        fit_few_devices(few)


def test_a_drift_without_end_is_refused(built_in):
    measured = simulate_cycles(built_in, devices=30, cycles=40)
    drift = measured.features + 0.05 * np.arange(40)[:, None] * np.array([1, 0, 0, 0])
    with pytest.raises(DataError, match="drift so slowly that 40 cycles"):
        fit_parameters(dataclasses.replace(measured, features=drift), order=2, components=1)


@pytest.mark.parametrize(
    "option", [{"order": 0}, {"components": 0}, {"read_voltage": -0.2}, {"reset_exponent": float("nan")}]
)
def test_options_out_of_range_are_refused(measured, option):
    with pytest.raises(SettingsError, match=next(iter(option))):
        fit_parameters(measured, **option)
