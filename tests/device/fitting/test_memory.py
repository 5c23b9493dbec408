import numpy as np
import pytest

from memrix.device.fitting.memory import _lost_to_the_mean, fit_autoregressions
from memrix.device.fitting.process import draw_scores


def test_products_never_cross_from_one_device_to_the_next():
    alternating = np.tile([1.0, -1.0], 20)
    noise = 0.1 * np.random.default_rng(0).standard_normal((200, 40, 4))
    # Within a device each cycle undoes the one before; between devices two cycles of one sign meet.
    series = alternating[None, :, None] * np.random.default_rng(1).standard_normal((200, 1, 4)) + noise
    assert np.diagonal(fit_autoregressions(series, 1)[1][:, 4:]) == pytest.approx(-1 / 1.01, abs=0.005)


def test_what_the_mean_of_two_independent_cycles_takes_away():
    white = np.hstack([np.eye(4), np.zeros((4, 4))])
    # (x1 - m)^2 is 1/2 on average, and (x2 - m)(x1 - m) is -1/2.
    np.testing.assert_allclose(_lost_to_the_mean(white, 2, 1), 0.5 * np.eye(4) * np.ones((2, 1, 1)), atol=1e-12)


def test_a_long_memory_is_found_in_short_series():
    slow = np.hstack([np.sqrt(1 - 0.9**2) * np.eye(4), 0.9 * np.eye(4)])
    scores = draw_scores(slow, 2000, 40, np.random.default_rng(2))
    found = np.diagonal(fit_autoregressions(scores, 1)[1][:, 4:])
    # Around the means of 40 cycles, plain least squares gives about 0.9 - (1 + 0.9) / 40 = 0.85.
    assert found == pytest.approx(0.9, abs=0.012)
