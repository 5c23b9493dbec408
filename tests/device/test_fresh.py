import numpy as np
import pytest
import synaptogen.synaptogen as reference
import torch
from scipy.stats import ks_2samp

from memrix._support.streams import Stream
from memrix.device import FreshCells, load_parameters
from tests.oracle import fresh_cells, reset_set

CELLS = 100_000


def streams(chip: int, programming: int) -> dict[str, Stream]:
    return {"chip": Stream.of(chip, "chip"), "programming": Stream.of(programming, "programming")}


def draw(on: torch.Tensor, chip: int = 0, programming: int = 1) -> torch.Tensor:
    return FreshCells(load_parameters()).draw(on, **streams(chip, programming))


def correlation_of_two_cycles() -> float:
    """Between the ON states of the numpy package's devices in two independent first cycles."""
    cells = fresh_cells(CELLS, seed=14)
    parameters = cells.params
    states = []
    for _ in range(2):
        scores = parameters.VAR[:, :4] @ reference.randn((4, CELLS))
        features = reference.Ψ(cells.μ, cells.σ, reference.Γ(parameters.γ, scores))
        states.append(reference.r(features[reference.iLRS], parameters.G_HHRS, parameters.G_LLRS))
    return float(np.corrcoef(states)[0, 1])


@pytest.mark.parametrize("on", [True, False])
def test_states_are_distributed_as_in_the_numpy_package(on):
    targets = np.full(CELLS, on)
    expected = reset_set(targets, seed=11)
    states = draw(torch.from_numpy(targets)).numpy()
    assert ks_2samp(states, expected).pvalue > 0.01
    assert states.mean() == pytest.approx(expected.mean(), abs=4 * expected.std() / np.sqrt(CELLS / 2))
    assert states.std() == pytest.approx(expected.std(), rel=0.02)
    # The third mixture component holds the outlier devices: the tails must be there too.
    np.testing.assert_allclose(np.quantile(states, [0.001, 0.999]), np.quantile(expected, [0.001, 0.999]), atol=0.02)


def test_mixed_targets_give_each_cell_its_own_distribution():
    on = torch.arange(CELLS) % 3 == 0
    states = draw(on).numpy()
    assert ks_2samp(states[on.numpy()], reset_set(np.full(CELLS, True), seed=12)).pvalue > 0.01
    assert ks_2samp(states[~on.numpy()], reset_set(np.full(CELLS, False), seed=13)).pvalue > 0.01


def test_same_chip_programmed_again_keeps_its_devices():
    on = torch.ones(CELLS, dtype=torch.bool)
    first, again, other = draw(on, 0, 1), draw(on, 0, 2), draw(on, 5, 2)
    assert not torch.equal(first, again)
    same_chip = torch.corrcoef(torch.stack([first, again]))[0, 1]
    other_chip = torch.corrcoef(torch.stack([first, other]))[0, 1]
    assert same_chip == pytest.approx(correlation_of_two_cycles(), abs=0.02)
    assert abs(other_chip) < 0.02


def test_same_seeds_give_the_same_states():
    on = torch.arange(200_000) % 2 == 0
    assert torch.equal(draw(on, 3, 4), draw(on, 3, 4))


def test_shape_is_kept_and_nothing_is_a_valid_number_of_cells():
    assert draw(torch.zeros(3, 5, 7, dtype=torch.bool)).shape == (3, 5, 7)
    assert draw(torch.zeros(0, dtype=torch.bool)).shape == (0,)


def test_global_generator_is_left_alone():
    before = torch.get_rng_state()
    draw(torch.ones(1000, dtype=torch.bool))
    assert torch.equal(before, torch.get_rng_state())
