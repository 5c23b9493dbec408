import numpy as np
import pytest
from scipy.special import ndtri

from memrix.device.fitting.shapes import (
    fit_polynomials,
    invert,
    largest_score,
    normal_scores,
    quantiles,
    standardize,
)

LIMIT = largest_score(0)


def test_a_normal_feature_gives_the_identity():
    polynomials = fit_polynomials(np.tile(normal_scores(), (4, 1)), 4, LIMIT)
    np.testing.assert_allclose(polynomials, np.tile([0, 0, 0, 1, 0], (4, 1)), atol=1e-3)


def test_inverting_gives_the_scores_back():
    polynomial = np.array([0.0, 0.03, 0.05, 0.9, -0.05])
    scores = np.linspace(-3, 3, 13)[:, None].repeat(4, axis=1)
    features = np.polyval(polynomial, scores)
    np.testing.assert_allclose(invert(np.tile(polynomial, (4, 1)), features, LIMIT), scores, atol=1e-4)


def test_a_polynomial_that_would_turn_over_is_held_rising():
    two_levels = np.sign(normal_scores()) + 1e-3 * normal_scores()
    plain = np.polyfit(normal_scores(), two_levels, 4)
    grid = np.linspace(-LIMIT, LIMIT, 101)
    assert np.polyval(np.polyder(plain), grid).min() < 0
    repaired = fit_polynomials(np.tile(two_levels, (4, 1)), 4, LIMIT)
    for polynomial in repaired:
        slope = np.polyval(np.polyder(polynomial), grid)
        assert 0.02 <= slope.min() < 0.03  # held before the deviation becomes 1


def test_quantiles_are_those_of_all_devices_together():
    values = np.arange(1.0, 100_001).reshape(100, 1000, 1).repeat(4, axis=2)
    assert quantiles(values)[:, 10_000] == pytest.approx(50_000.5)


def test_a_standardized_series_has_mean_0_and_deviation_1():
    standardized, mean, deviation = standardize(np.array([[[1.0] * 4, [3.0] * 4]]))
    np.testing.assert_array_equal(standardized, [[[-1.0] * 4, [1.0] * 4]])
    np.testing.assert_array_equal([mean, deviation], [[[2.0] * 4], [[1.0] * 4]])


def test_the_largest_score_is_that_of_the_number_of_cycles():
    assert largest_score(10**6) == pytest.approx(-ndtri(0.5e-6))
