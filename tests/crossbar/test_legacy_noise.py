"""``legacy`` noise is that of the library it is named for: each cell draws one number, which a batch shares."""

import numpy as np
import pytest
import torch

from memrix import Hardware
from memrix.device import CellCurrent, load_parameters
from memrix.device.current import LEGACY_BANDWIDTH, LEGACY_CHARGE
from tests.crossbar.test_crossbar import FINE, GROUPS, INPUTS, cell_states, crossbar

LEGACY = Hardware.preset("paper").replace(weight_bits=3, **{**FINE, "adc.gain": 2.0})
QUIET = LEGACY.replace(noise="off")
ITEMS, READS = 5, 4000


def items() -> torch.Tensor:
    """Codes ``[groups, items, 1, inputs]`` of bell-shaped activations, a vector each."""
    normal = torch.randn(GROUPS, ITEMS, 1, INPUTS, generator=torch.Generator().manual_seed(4))
    return (normal * 32).round().clamp(-128, 128)


def expected_covariance(array, codes: torch.Tensor) -> np.ndarray:
    """``[groups, items, items, outputs]`` in squared integer weights: the noise of every cell, in float64."""
    voltages = codes[:, :, 0].double().numpy()[:, :, :, None, None] / 128 * 0.6
    current, gain = CellCurrent(load_parameters()), LEGACY.circuit.gain(load_parameters(), array.nominal_states)
    weights = 2.0 ** np.arange(array.layout.planes)[:, None]
    covariance = 0.0
    for states in cell_states(array):
        # Shot noise alone: at a bandwidth of 1e-8 Hz thermal noise is 1e20 times smaller.
        ampere = np.abs(current.of(states[:, None].astype(np.float64), voltages))
        deviations = np.sqrt(2 * LEGACY_CHARGE * LEGACY_BANDWIDTH * ampere) * gain * weights
        covariance = covariance + np.einsum("gaipo,gbipo->gabo", deviations, deviations)
    return covariance


def correlations(covariance: np.ndarray) -> np.ndarray:
    deviations = np.sqrt(np.einsum("gaao->gao", covariance))
    return covariance / deviations[:, :, None] / deviations[:, None]


def test_noise_of_a_batch_has_the_covariance_of_cells_that_share_one_number_each():
    array, inputs = crossbar(LEGACY), items()
    readings = array(inputs.expand(-1, -1, READS, -1)) - crossbar(QUIET)(inputs)
    noise = readings.double().numpy()  # [groups, items, reads, outputs]
    noise = noise - noise.mean(2, keepdims=True)
    measured = np.einsum("garo,gbro->gabo", noise, noise) / READS
    expected = expected_covariance(array, inputs)
    # The relative error of a variance is sqrt(2 / reads), 2.2 %.
    scale = np.einsum("gaao->gao", expected)
    np.testing.assert_allclose(np.einsum("gaao->gao", measured), scale, rtol=0.09)
    np.testing.assert_allclose(correlations(measured), correlations(expected), atol=0.03)


def test_the_items_of_a_bell_shaped_batch_are_correlated_by_85_percent():
    """``E[sqrt|x|]**2 / E|x|`` of a normal ``x`` is 0.847: not 1, as if a whole reading shared one number."""
    array, inputs = crossbar(LEGACY), items()
    expected = correlations(expected_covariance(array, inputs))
    apart = ~np.eye(ITEMS, dtype=bool)
    assert expected[:, apart].mean() == pytest.approx(0.847, abs=0.02)
    noise = (array(inputs.expand(-1, -1, READS, -1)) - crossbar(QUIET)(inputs)).double()
    measured = np.mean([np.corrcoef(noise[group, :, :, 0])[apart].mean() for group in range(GROUPS)])
    assert measured == pytest.approx(expected[..., 0][:, apart].mean(), abs=0.02)


def test_vectors_of_an_item_and_columns_draw_numbers_of_their_own():
    array, inputs = crossbar(LEGACY), items()
    noise = (array(inputs.expand(-1, -1, READS, -1)) - crossbar(QUIET)(inputs))[0].double()
    follow = np.corrcoef(noise[0, :-1, 0], noise[0, 1:, 0])[0, 1]
    columns = np.corrcoef(noise[0, :, 0], noise[0, :, 1])[0, 1]
    assert abs(follow) < 5 / READS**0.5
    assert abs(columns) < 5 / READS**0.5


def test_one_item_has_the_noise_that_many_have():
    inputs = items()
    alone = crossbar(LEGACY)(inputs[:, :1].expand(-1, -1, READS, -1))
    together = crossbar(LEGACY)(inputs.expand(-1, -1, READS, -1))[:, :1]
    torch.testing.assert_close(alone.std(2), together.std(2), rtol=0.08, atol=0)


@pytest.mark.parametrize("shared", [2, 7])
def test_long_readings_are_cut_without_a_change_of_what_is_shared(shared):
    inputs = items()[:, :1].expand(-1, shared, 2000, -1)  # two million numbers of cells, a million at a time
    read = crossbar(LEGACY)(inputs)
    # The same input has the same noise; rounding may move a reading by a step.
    torch.testing.assert_close(read, read[:, :1].expand_as(read), rtol=0, atol=16 * LEGACY.adc.step)
    assert (read[:, 0].std(1) > 0.1).all()


def test_rows_that_rest_have_no_noise():
    silent = torch.zeros(GROUPS, 3, 10, INPUTS)
    assert not crossbar(LEGACY)(silent).any()
