"""Populations of cells after whole trains of pulses, against the numpy package: two-sample tests at 1e5 cells.

Seeds are fixed. A Kolmogorov-Smirnov p-value is asked to exceed 0.001; a mean, a correlation or an autocorrelation to
agree within 0.015, five standard errors of a difference of correlations of 1e5 normal pairs.
"""

from collections.abc import Callable

import numpy as np
import pytest
import synaptogen.synaptogen as reference
import torch
from scipy.stats import ks_2samp, rankdata

from memrix.device import Cells
from tests.oracle import fresh_cells

CELLS = 100_000
SMALLEST_P = 0.001
TOLERANCE = 0.015

Pulse = Callable[[float | np.ndarray], None]


def sweeps(pulse: Pulse, generator: np.random.Generator) -> None:
    up = np.linspace(0.05, 1.5, 15)
    for volts in [*(-up), *(-up[::-1]), *up, *up[::-1], *(-up), *up]:
        pulse(float(volts))


def random_train(pulse: Pulse, generator: np.random.Generator) -> None:
    for _ in range(150):
        pulse(generator.uniform(-2, 2, CELLS).astype(np.float32))


def partial_resets(pulse: Pulse, generator: np.random.Generator) -> None:
    for _ in range(4):
        pulse(-2.0)
        pulse(generator.uniform(0.5, 1.45, CELLS).astype(np.float32))
        pulse(generator.uniform(0.5, 1.45, CELLS).astype(np.float32))


def full_cycles(pulse: Pulse, generator: np.random.Generator) -> None:
    for _ in range(12):
        pulse(-2.0)
        pulse(2.0)


class Population:
    """What is compared after a train: states, cycle counts, features."""

    def __init__(self, features: np.ndarray, r: np.ndarray, cycles: np.ndarray) -> None:
        features = features.astype(np.float64)
        features[0] = np.log10(features[0])
        self.features, self.r, self.cycles = features, r.astype(np.float64), cycles


def theirs(train: Callable[[Pulse, np.random.Generator], None]) -> Population:
    cells = fresh_cells(CELLS, seed=21)
    cells.inHRS[:] = True  # otherwise the first partial reset of a fresh cell is undefined there
    train(lambda volts: reference.applyVoltage(cells, volts), np.random.default_rng(1))
    return Population(cells.y, cells.r, cells.n)


def ours(train: Callable[[Pulse, np.random.Generator], None]) -> Population:
    cells = Cells(CELLS, seed=22)
    train(cells.apply_voltage, np.random.default_rng(2))
    return Population(cells.features.numpy(), cells.r.numpy(), cells.cycles.numpy())


@pytest.mark.parametrize(
    "train", [sweeps, random_train, partial_resets, full_cycles], ids=lambda train: train.__name__
)
def test_populations_agree_after(train):
    expected, got = theirs(train), ours(train)
    for row in range(4):
        assert ks_2samp(got.features[row], expected.features[row]).pvalue > SMALLEST_P
        assert got.features[row].std() == pytest.approx(expected.features[row].std(), rel=0.02)
    assert ks_2samp(got.r, expected.r).pvalue > SMALLEST_P
    np.testing.assert_allclose(np.corrcoef(got.features), np.corrcoef(expected.features), atol=TOLERANCE)
    counts = max(got.cycles.max(), expected.cycles.max()) + 1
    shares = [np.bincount(cycles, minlength=counts) / CELLS for cycles in (got.cycles, expected.cycles)]
    np.testing.assert_allclose(shares[0], shares[1], atol=5 * np.sqrt(0.5 / CELLS))
    for row in (0, 2):
        correlations = [np.corrcoef(p.r, p.features[row])[0, 1] for p in (got, expected)]
        assert correlations[0] == pytest.approx(correlations[1], abs=TOLERANCE)


def autocorrelations(history: np.ndarray) -> np.ndarray:
    """``[lag 1..5, 4]``: rank correlations over cells between cycles, of ``[cycles, 4, cells]``."""
    ranks = rankdata(history, axis=2) / history.shape[2]
    scaled = (ranks - 0.5) * np.sqrt(12)
    return np.stack([(scaled[lag:] * scaled[:-lag]).mean(axis=(0, 2)) for lag in range(1, 6)])


def test_cycles_remember_as_those_of_the_numpy_package():
    """Ranks, because outlier devices would dominate; and without offset and scale of the devices, too."""
    package, cells = fresh_cells(CELLS, seed=31), Cells(CELLS, seed=32)
    theirs, ours = [], []
    for _ in range(20):
        for volts in (-2.0, 2.0):
            reference.applyVoltage(package, volts)
            cells.apply_voltage(volts)
        theirs.append(Population(package.y, package.r, package.n).features)
        ours.append(Population(cells.features.numpy(), cells.r.numpy(), cells.cycles.numpy()).features)
    expected, got = np.stack(theirs), np.stack(ours)
    np.testing.assert_allclose(autocorrelations(got), autocorrelations(expected), atol=TOLERANCE)
    offset, scale = (part.numpy() for part in torch.split(cells.state_dict()["devices"], 4))
    within = autocorrelations((got - offset) / scale)
    np.testing.assert_allclose(within, autocorrelations((expected - package.μ) / package.σ), atol=TOLERANCE)
    # There is something to remember.
    assert within[0].min() > 0.05
