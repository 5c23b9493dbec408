import numpy as np
import pytest
import synaptogen.synaptogen as reference
from scipy.stats import ks_2samp

from memrix.device.fitting import simulate_cycles
from memrix.errors import SettingsError
from tests.oracle import fresh_cells

DEVICES = 20_000


@pytest.fixture(scope="module")
def oracle_cycles() -> np.ndarray:
    """``[devices, cycles, 4]`` of fresh cells of the numpy package."""
    cells = fresh_cells(DEVICES, seed=3)
    cells.drawVARMask[:] = True
    series = [cells.y.copy()]
    for _ in range(14):
        reference.VAR_sample(cells)
        series.append(reference.Ψ(cells.μ, cells.σ, reference.Γ(cells.params.γ, cells.Xhat[-4:])))
    cycles = np.stack(series).transpose(2, 0, 1).astype(np.float64)
    cycles[..., 0] = np.log10(cycles[..., 0])
    return cycles


@pytest.mark.parametrize("cycle", [0, 4, 14])
def test_fresh_cells_have_the_features_of_the_numpy_package(built_in, oracle_cycles, cycle):
    ours = simulate_cycles(built_in, DEVICES, 15, seed=1, fresh=True).features
    for feature in range(4):
        assert ks_2samp(ours[:, cycle, feature], oracle_cycles[:, cycle, feature]).pvalue > 1e-3


def test_cycles_depend_on_those_before_as_in_the_numpy_package(built_in, oracle_cycles):
    def correlations(cycles: np.ndarray) -> np.ndarray:
        return np.corrcoef((cycles - cycles.mean(axis=1, keepdims=True)).reshape(DEVICES, -1).T)

    ours = simulate_cycles(built_in, DEVICES, 15, seed=1, fresh=True).features
    assert np.abs(correlations(ours) - correlations(oracle_cycles)).max() < 6 * np.sqrt(2 / DEVICES)


def test_measured_devices_are_stationary_from_the_first_cycle(built_in):
    cycles = simulate_cycles(built_in, DEVICES, 60, seed=1).features
    for feature in range(4):
        assert ks_2samp(cycles[:, 0, feature], cycles[:, -1, feature]).pvalue > 1e-3


def test_the_first_cycles_of_fresh_cells_vary_less(built_in):
    variance = simulate_cycles(built_in, DEVICES, 100, seed=1, fresh=True).features[..., 2].var(axis=0)
    assert variance[0] < 0.85 * variance[60:].mean()


def test_the_seed_decides(built_in):
    one, same, other = (simulate_cycles(built_in, 3, 5, seed).features for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_an_order_that_is_not_there_is_refused(built_in):
    with pytest.raises(SettingsError, match="no autoregression of order 11"):
        simulate_cycles(built_in, 3, 5, order=11)


def test_no_devices_are_refused(built_in):
    with pytest.raises(SettingsError, match="devices must be an integer from 1"):
        simulate_cycles(built_in, 0, 5)
