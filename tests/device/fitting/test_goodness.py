import dataclasses
import json

import numpy as np
import pytest
from scipy.stats import ks_2samp

from memrix.device.fitting import goodness_of_fit, simulate_cycles
from memrix.device.fitting.goodness import kolmogorov_smirnov


@pytest.fixture(scope="module")
def few(built_in):
    return simulate_cycles(built_in, devices=100, cycles=60, seed=3)


@pytest.fixture(scope="module")
def true_fit(built_in, few):
    return goodness_of_fit(built_in, few)


def test_the_distance_is_that_of_kolmogorov_and_smirnov():
    generator = np.random.default_rng(0)
    rounded, other = generator.standard_normal(500).round(1), generator.standard_normal(700) + 0.2
    found = kolmogorov_smirnov(rounded[None], np.sort(other)[None])
    assert found == pytest.approx(ks_2samp(rounded, other).statistic)


def test_true_parameters_are_within_chance(true_fit):
    # Each of the four is exceeded in 1 case of 20; that two are is as rare as 1 in 70.
    assert sum(feature.distance > feature.chance for feature in true_fit.features) <= 1


def test_fitted_parameters_describe_what_they_were_fitted_to(measured, fitted):
    goodness = goodness_of_fit(fitted, measured)
    for feature in goodness.features:
        assert feature.distance < feature.chance
        # The scales of 300 devices differ by 30 %, so that their mean is uncertain by 1.7 %.
        assert feature.within.fitted == pytest.approx(feature.within.measured, rel=0.07)
        assert feature.between.fitted == pytest.approx(feature.between.measured, rel=0.2)
        for pair in feature.autocorrelation:
            assert pair.fitted == pytest.approx(pair.measured, abs=0.03)
    for pair in goodness.correlations.values():
        assert pair.fitted == pytest.approx(pair.measured, abs=0.03)


def test_a_shifted_feature_is_seen_in_its_distance_alone(built_in, few, true_fit):
    shifted = few.features + np.array([0.0, 0.05, 0.0, 0.0])
    goodness = goodness_of_fit(built_in, dataclasses.replace(few, features=shifted))
    assert goodness.features[1].distance > 2 * goodness.features[1].chance
    for feature in (0, 2, 3):
        assert goodness.features[feature] == true_fit.features[feature]


def test_shuffled_cycles_are_seen_in_the_autocorrelation(built_in, few):
    shuffled = np.random.default_rng(0).permuted(few.features, axis=1)
    goodness = goodness_of_fit(built_in, dataclasses.replace(few, features=shuffled))
    resistance = goodness.features[2].autocorrelation[0]
    assert resistance.measured == pytest.approx(-1 / 60, abs=0.03)
    assert resistance.fitted > 0.2


def test_figures_of_cycles_that_can_be_checked_by_hand(built_in):
    """Two devices that go up and down: means 1 and 3, deviations 1 and 2, neighbors opposite."""
    measured = simulate_cycles(built_in, devices=2, cycles=8)
    series = np.stack([1 + np.tile([1.0, -1.0], 4), 3 + np.tile([2.0, -2.0], 4)])
    goodness = goodness_of_fit(built_in, dataclasses.replace(measured, features=series[:, :, None].repeat(4, axis=2)))
    feature = goodness.features[3]
    assert feature.mean.measured == pytest.approx(2)
    assert feature.within.measured == pytest.approx(np.sqrt(2.5))
    assert feature.between.measured == pytest.approx(1)
    assert feature.between_scales.measured == pytest.approx(0.5)
    assert [pair.measured for pair in feature.autocorrelation] == pytest.approx([-1, 1, -1, 1, -1])
    assert goodness.correlations["R_HRS, U_set"].measured == pytest.approx(1)


def test_the_residual_of_a_curve_is_relative_to_its_current(built_in, few, true_fit):
    assert true_fit.low_curve_residual == pytest.approx(0, abs=1e-12)
    louder = few.low_curve * np.array([1.0, 1.25])
    goodness = goodness_of_fit(built_in, dataclasses.replace(few, low_curve=louder))
    assert goodness.low_curve_residual == pytest.approx(0.2)


def test_figures_are_ready_for_json(true_fit):
    table = json.loads(json.dumps(true_fit.to_dict()))
    assert table["devices"] == 100
    assert [feature["name"] for feature in table["features"]] == ["R_HRS", "U_set", "R_LRS", "U_reset"]
    assert set(table["features"][0]["autocorrelation"][0]) == {"measured", "fitted"}
