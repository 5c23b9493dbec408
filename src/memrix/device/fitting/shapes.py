"""The polynomials that give normal scores the distribution of the measured features."""

from __future__ import annotations

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import minimize
from scipy.special import ndtri

from memrix.device.fitting.process import WIDTH, apply_polynomials
from memrix.device.parameters import Array

_LEAST_SLOPE = 0.02  # per unit of normal score, of a feature whose standard deviation is 1
_QUANTILES = 20_001
_GRID = 2001


def standardize(features: Array) -> tuple[Array, Array, Array]:
    """Features ``[devices, cycles, 4]`` less the mean of their device, over its deviation; both, ``[devices, 4]``."""
    mean, deviation = features.mean(axis=1), features.std(axis=1)
    return (features - mean[:, None]) / deviation[:, None], mean, deviation


def quantiles(values: Array) -> Array:
    """``[4, points]``: quantiles of ``[devices, cycles, 4]``, all devices together, at those of ``normal_scores``."""
    pooled = np.sort(values.reshape(-1, WIDTH), axis=0)
    ranks = np.arange(len(pooled)) + 0.5
    wanted = (np.arange(_QUANTILES) + 0.5) / _QUANTILES * len(pooled)
    return np.stack([np.interp(wanted, ranks, feature) for feature in pooled.T])


def normal_scores() -> Array:
    """``[points]``: where a standard normal number has the quantiles that ``quantiles`` takes."""
    scores: Array = ndtri((np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    return scores


def largest_score(count: int) -> float:
    """About the largest of a number of independent standard normal numbers."""
    return float(-ndtri(0.5 / max(count, _QUANTILES)))


def fit_polynomials(values: Array, degree: int, limit: float) -> Array:
    """``[4, degree + 1]``: least squares on quantiles ``[4, points]``, rising everywhere between -limit and +limit.

    A score can only be recovered from a feature where the polynomial rises. Where plain least squares turn over
    within the scores that occur, the slope is held at 0.02 or more, at the cost of a poorer fit that the goodness of
    fit shows. Afterwards each polynomial of a standard normal number has mean 0 and variance 1, so that the offset
    and the scale of a device are the mean and the standard deviation of its features.
    """
    scores = normal_scores()
    powers = np.vander(scores, degree + 1)
    return np.stack([_normalized(_rising(powers, feature, limit)) for feature in values])


def invert(polynomials: Array, standardized: Array, limit: float) -> Array:
    """Normal scores of ``[..., 4]``, held between -limit and +limit, where the polynomials rise."""
    grid = np.linspace(-limit, limit, _GRID)
    shaped = apply_polynomials(polynomials, np.repeat(grid[:, None], WIDTH, axis=1))
    return np.stack([np.interp(standardized[..., i], shaped[:, i], grid) for i in range(WIDTH)], axis=-1)


def _rising(powers: Array, values: Array, limit: float) -> Array:
    plain, *_ = np.linalg.lstsq(powers, values)
    degree = powers.shape[1] - 1
    grid = np.linspace(-limit, limit, 101)
    # A row per place: the slope is linear in the coefficients.
    slopes = np.column_stack([np.vander(grid, degree) * np.arange(degree, 0, -1), np.zeros_like(grid)])
    if np.all(slopes @ plain >= _LEAST_SLOPE):
        return plain
    # In coordinates where the sum of squares is a distance, so that the optimizer sees a round bowl.
    triangle = np.linalg.qr(powers, mode="r") / np.sqrt(len(powers))
    whitened = slopes @ np.linalg.inv(triangle)
    target = triangle @ plain
    straight = triangle @ np.eye(degree + 1)[-2] * max(plain[-2], values.std())
    found = minimize(
        lambda point: float(((point - target) ** 2).sum()),
        straight,
        jac=lambda point: 2 * (point - target),
        constraints={"type": "ineq", "fun": lambda p: whitened @ p - _LEAST_SLOPE, "jac": lambda p: whitened},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    repaired: Array = np.linalg.solve(triangle, found.x)
    return repaired


def _normalized(polynomial: Array) -> Array:
    nodes, weights = hermegauss(2 * len(polynomial))
    shaped = np.polyval(polynomial, nodes)
    weights = weights / weights.sum()
    mean = weights @ shaped
    centerd = polynomial.copy()
    centerd[-1] -= mean
    scaled: Array = centerd / np.sqrt(weights @ (shaped - mean) ** 2)
    return scaled
