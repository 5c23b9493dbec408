import dataclasses

import numpy as np
import pytest

from memrix.device.fitting.process import autocovariances, covariance_of_mean, draw_scores, history_covariance
from memrix.errors import SettingsError

FIRST_ORDER = np.hstack([0.6 * np.eye(4), 0.8 * np.eye(4)])  # x_n = 0.6 eps + 0.8 x_(n-1): variance 1


def test_autocovariances_of_a_first_order_process_are_powers():
    expected = np.array([1.0, 0.8, 0.64])[:, None, None] * np.eye(4)
    np.testing.assert_allclose(autocovariances(FIRST_ORDER, 2), expected, atol=1e-12)


def test_the_variance_of_a_mean_counts_every_pair_of_cycles():
    expected = (3 + 2 * (2 * 0.8 + 0.64)) / 9
    np.testing.assert_allclose(covariance_of_mean(FIRST_ORDER, 3), expected * np.eye(4), atol=1e-12)


def test_the_measured_device_is_stationary_with_scores_of_variance_one_at_every_order(built_in):
    for matrix in built_in.autoregressions.values():
        np.testing.assert_allclose(np.diagonal(history_covariance(matrix)[-4:, -4:]), 1.0, atol=0.01)


def test_scores_have_the_covariances_of_the_process_from_the_first_cycle(built_in):
    matrix = built_in.autoregression()
    scores = draw_scores(matrix, 20_000, 3, np.random.default_rng(0))
    lagged = autocovariances(matrix, 2)
    for lag in range(3):
        found = scores[:, 2].T @ scores[:, 2 - lag] / len(scores)
        np.testing.assert_allclose(found, lagged[lag], atol=5 / np.sqrt(len(scores)))


def test_an_unstable_process_is_refused_with_a_mend():
    with pytest.raises(SettingsError, match=r"not stationary.*1\.0500 a cycle; fit a lower order"):
        autocovariances(np.hstack([np.eye(4), 1.05 * np.eye(4)]), 1)


def test_an_unstable_process_can_start_fresh(built_in):
    unstable = np.hstack([np.eye(4), 1.05 * np.eye(4)])
    parameters = dataclasses.replace(built_in, autoregressions={1: unstable})
    assert draw_scores(parameters.autoregression(), 2, 3, np.random.default_rng(0), fresh=True).shape == (2, 3, 4)
