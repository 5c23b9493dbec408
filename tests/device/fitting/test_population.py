import numpy as np
import pytest

from memrix.device.fitting.population import SamplingError, fit_mixture, sampling_error
from memrix.device.fitting.process import draw_scores


def test_the_sampling_error_of_independent_normal_cycles_is_that_of_the_textbook():
    cycles = 50
    white = np.hstack([np.eye(4), np.zeros((4, 4))])
    error = sampling_error(draw_scores(white, 20_000, cycles, np.random.default_rng(0)))
    assert error.deviation == pytest.approx(1 - 3 / (4 * cycles), abs=5e-3)
    assert np.diagonal(error.covariance)[:4] == pytest.approx(1 / cycles, rel=0.05)
    assert np.diagonal(error.covariance)[4:] == pytest.approx(1 / (2 * cycles), rel=0.06)


def test_the_sampling_error_is_taken_out_of_the_covariance():
    generator = np.random.default_rng(1)
    true, noise, count = 1.0, 0.5, 5000
    means = true * generator.standard_normal((count, 4)) + noise * generator.standard_normal((count, 4))
    deviations = 1.0 + 0.1 * generator.standard_normal((count, 4))
    error = SamplingError(np.ones(4), np.diag([noise**2] * 4 + [0.0] * 4))
    mixture = fit_mixture(means, deviations, error, components=1, seed=0)
    found = np.diagonal(mixture.cholesky[0] @ mixture.cholesky[0].T)
    assert found[:4] == pytest.approx(true**2, abs=4 * 1.25 * np.sqrt(2 / count))
    assert found[4:] == pytest.approx(0.01, rel=4 * np.sqrt(2 / count))


def test_devices_that_do_not_differ_keep_a_small_covariance_that_can_be_drawn_from():
    generator = np.random.default_rng(2)
    means, deviations = generator.standard_normal((200, 4)), 1.0 + 0.1 * generator.standard_normal((200, 4))
    error = SamplingError(np.ones(4), np.diag([2.0] * 4 + [0.02] * 4))
    factor = fit_mixture(means, deviations, error, components=1, seed=0).cholesky[0]
    assert np.diagonal(factor @ factor.T) == pytest.approx([0.02] * 4 + [0.0002] * 4, rel=0.5)


def test_components_come_in_the_order_of_their_weights():
    generator = np.random.default_rng(3)
    means = generator.standard_normal((300, 4)) + np.repeat([0.0, 50.0, 100.0], [50, 100, 150])[:, None]
    error = SamplingError(np.ones(4), np.zeros((8, 8)))
    mixture = fit_mixture(means, 1.0 + 0.1 * generator.standard_normal((300, 4)), error, components=3, seed=0)
    assert mixture.weights == pytest.approx([1 / 2, 1 / 3, 1 / 6])
