"""How devices differ: a Gaussian mixture of their offsets and scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.mixture import GaussianMixture

from memrix.device.fitting.process import WIDTH, apply_polynomials, draw_scores
from memrix.device.parameters import Array

_STARTS = 5
_REGULARIZATION = 1e-4  # of the variance between devices
_LEAST_SHARE = 0.02  # of the variance that is seen in a direction, and is taken to be the devices' own
_SERIES = 4000
_SIMULATED_CYCLES = 2_000_000


@dataclass(frozen=True, eq=False)
class SamplingError:
    """What the mean and the deviation of a series of cycles say about its process, whose deviation is 1.

    Attributes:
        deviation: ``[4]``: expected standard deviation of a series, below 1 for cycles that are correlated.
        covariance: ``[8, 8]``: of the means, then of the deviations divided by the expected ones.
    """

    deviation: Array
    covariance: Array


@dataclass(frozen=True, eq=False)
class Mixture:
    """Gaussian mixture in 8 dimensions: weights ``[k]``, means ``[k, 8]``, lower Cholesky factors ``[k, 8, 8]``."""

    weights: Array
    means: Array
    cholesky: Array


def simulated_series(autoregression: Array, polynomials: Array, cycles: int, seed: int) -> Array:
    """``[series, cycles, 4]``: feature scores of as many series as a few seconds and 64 MB allow, 4000 at most."""
    series = int(np.clip(_SIMULATED_CYCLES // cycles, 200, _SERIES))
    scores = draw_scores(autoregression, series, cycles, np.random.default_rng(seed))
    return apply_polynomials(polynomials, scores)


def sampling_error(series: Array) -> SamplingError:
    """The sampling error of means and deviations, from simulated series ``[series, cycles, 4]``."""
    deviations = series.std(axis=1)
    expected = deviations.mean(axis=0)
    return SamplingError(expected, np.cov(np.hstack([series.mean(axis=1), deviations / expected]).T))


def fit_mixture(means: Array, deviations: Array, error: SamplingError, components: int, seed: int) -> Mixture:
    """The mixture behind the measured means and deviations of devices, ``[devices, 4]`` each.

    By expectation maximization on what is measured, with deviations freed of their bias. The covariance of every
    component is then freed of the sampling error of its devices, which scales with their deviations.
    """
    scales = deviations / error.deviation
    measured = np.hstack([means, scales])
    center, spread = measured.mean(axis=0), measured.std(axis=0)
    model = GaussianMixture(components, n_init=_STARTS, random_state=seed, reg_covar=_REGULARIZATION, max_iter=500)
    standardized = (measured - center) / spread
    shares = model.fit(standardized).predict_proba(standardized)
    shares = shares / shares.sum(axis=0)
    # E[scale_i scale_j] as measured holds a sampling error of its own.
    excess = np.tile(1.0 + error.covariance[WIDTH:, WIDTH:], (2, 2))
    both = np.hstack([scales, scales])
    factors = []
    for component in range(components):
        squares = (both * shares[:, component, None]).T @ both
        covariance = model.covariances_[component] * np.outer(spread, spread)
        factors.append(_subtracted(covariance, error.covariance * squares / excess))
    order = np.argsort(-model.weights_)
    return Mixture(model.weights_[order], (model.means_ * spread + center)[order], np.stack(factors)[order])


def _subtracted(covariance: Array, error: Array) -> Array:
    """Cholesky factor of ``covariance - error``, of which at least 2 % is left in every direction."""
    factor = np.linalg.cholesky(covariance)
    inverse = np.linalg.inv(factor)
    values, vectors = np.linalg.eigh(inverse @ (covariance - error) @ inverse.T)
    root = factor @ vectors * np.sqrt(values.clip(min=_LEAST_SHARE))
    return np.linalg.cholesky(root @ root.T)
