"""Populations of cells after whole trains of pulses, against the numpy package: two-sample tests.

Seeds are fixed. A Kolmogorov-Smirnov p-value is asked to exceed 0.001; a mean, a correlation or an autocorrelation to
agree within 0.015 at 1e5 cells, and with so many more as the errors of fewer cells are larger.
"""

from collections.abc import Callable

import numpy as np
import pytest
import synaptogen.synaptogen as reference
import torch
from scipy.stats import ks_2samp, rankdata

from memrix.device import Cells
from tests.oracle import fresh_cells

SMALLEST_P = 0.001

Pulse = Callable[[float | np.ndarray], None]
Train = Callable[[Pulse, np.random.Generator, int], None]


@pytest.fixture(params=[20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def count(request) -> int:
    """Cells of a population."""
    return request.param


def tolerance(count: int) -> float:
    return 0.015 * (100_000 / count) ** 0.5


def sweeps(pulse: Pulse, generator: np.random.Generator, count: int) -> None:
    up = np.linspace(0.05, 1.5, 15)
    for volts in [*(-up), *(-up[::-1]), *up, *up[::-1], *(-up), *up]:
        pulse(float(volts))


def random_train(pulse: Pulse, generator: np.random.Generator, count: int) -> None:
    for _ in range(150):
        pulse(generator.uniform(-2, 2, count).astype(np.float32))


def partial_resets(pulse: Pulse, generator: np.random.Generator, count: int) -> None:
    for _ in range(4):
        pulse(-2.0)
        pulse(generator.uniform(0.5, 1.45, count).astype(np.float32))
        pulse(generator.uniform(0.5, 1.45, count).astype(np.float32))


def full_cycles(pulse: Pulse, generator: np.random.Generator, count: int) -> None:
    for _ in range(12):
        pulse(-2.0)
        pulse(2.0)


class Population:
    """What is compared after a train: states, cycle counts, features."""

    def __init__(self, features: np.ndarray, r: np.ndarray, cycles: np.ndarray) -> None:
        features = features.astype(np.float64)
        features[0] = np.log10(features[0])
        self.features, self.r, self.cycles = features, r.astype(np.float64), cycles


def theirs(train: Train, count: int) -> Population:
    cells = fresh_cells(count, seed=21)
    cells.inHRS[:] = True  # otherwise the first partial reset of a fresh cell is undefined there
    train(lambda volts: reference.applyVoltage(cells, volts), np.random.default_rng(1), count)
    return Population(cells.y, cells.r, cells.n)


def ours(train: Train, count: int) -> Population:
    cells = Cells(count, seed=22)
    train(cells.apply_voltage, np.random.default_rng(2), count)
    return Population(cells.features.numpy(), cells.r.numpy(), cells.cycles.numpy())


@pytest.mark.parametrize(
    "train", [sweeps, random_train, partial_resets, full_cycles], ids=lambda train: train.__name__
)
def test_populations_agree_after(train, count):
    expected, got = theirs(train, count), ours(train, count)
    for row in range(4):
        assert ks_2samp(got.features[row], expected.features[row]).pvalue > SMALLEST_P
        assert got.features[row].std() == pytest.approx(
            expected.features[row].std(), rel=0.02 * (100_000 / count) ** 0.5
        )
    assert ks_2samp(got.r, expected.r).pvalue > SMALLEST_P
    np.testing.assert_allclose(np.corrcoef(got.features), np.corrcoef(expected.features), atol=tolerance(count))
    most = max(got.cycles.max(), expected.cycles.max()) + 1
    shares = [np.bincount(cycles, minlength=most) / count for cycles in (got.cycles, expected.cycles)]
    np.testing.assert_allclose(shares[0], shares[1], atol=5 * np.sqrt(0.5 / count))
    for row in (0, 2):
        correlations = [np.corrcoef(p.r, p.features[row])[0, 1] for p in (got, expected)]
        assert correlations[0] == pytest.approx(correlations[1], abs=tolerance(count))


def autocorrelations(history: np.ndarray) -> np.ndarray:
    """``[lag 1..5, 4]``: rank correlations over cells between cycles, of ``[cycles, 4, cells]``."""
    ranks = rankdata(history, axis=2) / history.shape[2]
    scaled = (ranks - 0.5) * np.sqrt(12)
    return np.stack([(scaled[lag:] * scaled[:-lag]).mean(axis=(0, 2)) for lag in range(1, 6)])


def test_cycles_remember_as_those_of_the_numpy_package(count):
    """Ranks, because outlier devices would dominate; and without offset and scale of the devices, too."""
    package, cells = fresh_cells(count, seed=31), Cells(count, seed=32)
    theirs, ours = [], []
    for _ in range(20):
        for volts in (-2.0, 2.0):
            reference.applyVoltage(package, volts)
            cells.apply_voltage(volts)
        theirs.append(Population(package.y, package.r, package.n).features)
        ours.append(Population(cells.features.numpy(), cells.r.numpy(), cells.cycles.numpy()).features)
    expected, got = np.stack(theirs), np.stack(ours)
    np.testing.assert_allclose(autocorrelations(got), autocorrelations(expected), atol=tolerance(count))
    offset, scale = (part.numpy() for part in torch.split(cells.state_dict()["devices"], 4))
    within = autocorrelations((got - offset) / scale)
    np.testing.assert_allclose(within, autocorrelations((expected - package.μ) / package.σ), atol=tolerance(count))
    # There is something to remember.
    assert within[0].min() > 0.05
