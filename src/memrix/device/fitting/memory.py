"""The autoregressions: how a cycle depends on those before it."""

from __future__ import annotations

import numpy as np

from memrix.device.fitting.process import WIDTH, autocovariances, covariance_of_mean, spectral_radius
from memrix.device.parameters import Array
from memrix.errors import DataError

_ROUNDS = 500
_CONVERGED = 1e-7


def fit_autoregressions(scores: Array, order: int) -> dict[int, Array]:
    """Autoregressions of the orders 1 to ``order`` of normal scores ``[devices, cycles, 4]``, by least squares.

    The products of cycles of one device, never of two, are averaged over all devices; the least squares that follow
    are those of Yule and Walker, whose stationary process repeats the covariances it was given, so that every order
    has scores of variance 1. The mean of a short series is not that of its device: it follows the series, and all
    covariances around it come out too low by about its own variance. That variance is computed from the
    autoregression and given back, until the two agree.

    Raises:
        DataError: the memory of the cycles is too long for series of this length.
    """
    cycles = scores.shape[1]
    observed = _lagged_products(scores - scores.mean(axis=1, keepdims=True), order)
    lost = np.zeros_like(observed)
    for _ in range(_ROUNDS):
        remaining = 1.0 - np.diagonal(lost[0])
        scale = np.sqrt(np.maximum(remaining, 0.0) / np.diagonal(observed[0]))
        covariances = scale[:, None] * observed * scale + lost
        fitted = None if remaining.min() <= 0 else _solve(covariances, order)
        if fitted is None or spectral_radius(fitted) >= 1:
            raise DataError(
                f"the features drift so slowly that {cycles} cycles of a device do not show their mean, as an "
                f"autoregression of order {order} would need: measure more cycles, or give a lower order"
            )
        before, lost = lost, _lost_to_the_mean(fitted, cycles, order)
        if np.abs(lost - before).max() < _CONVERGED:
            break
    return {lower: matrix for lower in range(1, order + 1) if (matrix := _solve(covariances, lower)) is not None}


def _lagged_products(centerd: Array, order: int) -> Array:
    """``[order + 1, 4, 4]``: mean product of the scores of a cycle with those 0 to ``order`` cycles earlier."""
    cycles = centerd.shape[1]
    products = np.empty((order + 1, WIDTH, WIDTH))
    for lag in range(order + 1):
        later, earlier = centerd[:, lag:].reshape(-1, WIDTH), centerd[:, : cycles - lag].reshape(-1, WIDTH)
        products[lag] = later.T @ earlier / len(later)
    return products


def _lost_to_the_mean(autoregression: Array, cycles: int, order: int) -> Array:
    """``[order + 1, 4, 4]``: what ``_lagged_products`` of a series miss when its own mean has been taken off.

    With ``r_t`` the covariance of cycle ``t`` with the mean, ``E[(x_t - m)(x_(t-l) - m)^T]`` is
    ``c(l) - r_t - r_(t-l)^T + V``, averaged over the cycles that have a partner.
    """
    lagged = autocovariances(autoregression, cycles - 1)
    past = np.cumsum(lagged, axis=0)
    future = np.cumsum(lagged[1:].transpose(0, 2, 1), axis=0)
    with_mean: Array = past / cycles
    with_mean[:-1] += future[::-1] / cycles
    variance = covariance_of_mean(autoregression, cycles)
    missed: Array = np.stack(
        [
            with_mean[lag:].mean(axis=0) + with_mean[: cycles - lag].mean(axis=0).T - variance
            for lag in range(order + 1)
        ]
    )
    return missed


def _solve(covariances: Array, order: int) -> Array | None:
    """``[4, 4 * (order + 1)]``: the autoregression with these covariances at lags, or None if there is none."""

    def at(lag: int) -> Array:
        block: Array = covariances[lag] if lag >= 0 else covariances[-lag].T
        return block

    # The history is ordered from the oldest cycle to the newest, as in the model.
    history = np.block([[at(row - column) for column in range(order)] for row in range(order)])
    present = np.concatenate([at(order - age) for age in range(order)], axis=1)
    try:
        weights = np.linalg.solve(history, present.T).T
        noise = np.linalg.cholesky(covariances[0] - weights @ present.T)
    except np.linalg.LinAlgError:
        return None
    return np.concatenate([noise, weights], axis=1)
