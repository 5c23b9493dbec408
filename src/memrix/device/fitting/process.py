"""The stationary process behind the features: a vector autoregression pushed through polynomials.

The normal scores of cycle ``n`` are ``x_n = B eps_n + sum_j A_j x_(n-j)`` with standard normal ``eps``; a matrix
``[4, 4 * (order + 1)]`` holds ``B, A_order ... A_1`` side by side. The feature scores are ``Gamma(x_n)``, a
polynomial per feature (Hennen et al., 10.3389/fnins.2022.941753).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memrix.device.parameters import FEATURES, Array
from memrix.errors import SettingsError

WIDTH = len(FEATURES)
_DOUBLINGS = 40
_NEGLIGIBLE = 1e-15


def order_of(autoregression: Array) -> int:
    """How many cycles of history the matrix ``[4, 4 * (order + 1)]`` weighs."""
    return int(autoregression.shape[1]) // WIDTH - 1


def companion(autoregression: Array) -> Array:
    """``[4 * order, 4 * order]``: one cycle forward of the history, the oldest cycle first."""
    matrix = np.eye(WIDTH * order_of(autoregression), k=WIDTH)
    matrix[-WIDTH:] = autoregression[:, WIDTH:]
    return matrix


def spectral_radius(autoregression: Array) -> float:
    """What remains of the slowest memory from one cycle to the next; below 1 in a stationary process."""
    return float(np.abs(np.linalg.eigvals(companion(autoregression))).max())


def history_covariance(autoregression: Array) -> Array:
    """``[4 * order, 4 * order]``: covariance of the history of a stationary process, the oldest cycle first.

    Raises:
        SettingsError: the process is not stationary.
    """
    radius = spectral_radius(autoregression)
    if radius >= 1:
        raise SettingsError(
            f"the autoregression of order {order_of(autoregression)} is not stationary: its memory grows by a factor "
            f"of {radius:.4f} a cycle; fit a lower order, or more cycles of each device"
        )
    step = companion(autoregression)
    noise = np.zeros_like(step)
    noise[-WIDTH:, -WIDTH:] = autoregression[:, :WIDTH] @ autoregression[:, :WIDTH].T
    # S = sum_k F^k Q F^kT; each doubling adds as many terms as there are.
    covariance = noise
    for _ in range(_DOUBLINGS):
        if np.abs(step).max() < _NEGLIGIBLE:
            break
        covariance = covariance + step @ covariance @ step.T
        step = step @ step
    return covariance


def autocovariances(autoregression: Array, lags: int) -> Array:
    """``[lags + 1, 4, 4]``: covariance of the scores of a cycle with those of 0 to ``lags`` cycles earlier.

    Raises:
        SettingsError: the process is not stationary.
    """
    covariance = history_covariance(autoregression)
    step = companion(autoregression)
    result = np.empty((lags + 1, WIDTH, WIDTH))
    for lag in range(lags + 1):
        result[lag] = covariance[-WIDTH:, -WIDTH:]
        covariance = step @ covariance
    return result


def covariance_of_mean(autoregression: Array, cycles: int) -> Array:
    """``[4, 4]``: covariance of the mean of the scores over a number of cycles.

    Raises:
        SettingsError: the process is not stationary.
    """
    lagged = autocovariances(autoregression, cycles - 1)
    weights = 1.0 - np.arange(1, cycles) / cycles
    half = np.tensordot(weights, lagged[1:], 1)
    mean: Array = (lagged[0] + half + half.T) / cycles
    return mean


def draw_scores(
    autoregression: Array, devices: int, cycles: int, generator: np.random.Generator, *, fresh: bool = False
) -> Array:
    """``[devices, cycles, 4]``: normal scores of consecutive cycles, stationary unless cells are ``fresh``.

    Raises:
        SettingsError: the process is not stationary, and cells are not fresh.
    """
    order = order_of(autoregression)
    series = np.zeros((order + cycles, devices, WIDTH))
    if not fresh:
        values, vectors = np.linalg.eigh(history_covariance(autoregression))
        root = vectors * np.sqrt(values.clip(0))
        history = generator.standard_normal((devices, WIDTH * order)) @ root.T
        series[:order] = history.reshape(devices, order, WIDTH).transpose(1, 0, 2)
    series[order:] = generator.standard_normal((cycles, devices, WIDTH)) @ autoregression[:, :WIDTH].T
    weights = np.ascontiguousarray(autoregression[:, WIDTH:].T.reshape(order, WIDTH, WIDTH))
    for cycle in range(order, order + cycles):
        for age in range(order):
            series[cycle] += series[cycle - order + age] @ weights[age]
    return np.ascontiguousarray(series[order:].transpose(1, 0, 2))


def apply_polynomials(polynomials: Sequence[Array] | Array, scores: Array) -> Array:
    """``Gamma(x)``: each feature of ``[..., 4]`` through its own polynomial, highest degree first."""
    return np.stack([np.polyval(polynomial, scores[..., i]) for i, polynomial in enumerate(polynomials)], axis=-1)
