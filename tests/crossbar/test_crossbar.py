"""The readout against sums over single cells in float64."""

import numpy as np
import pytest
import synaptogen.synaptogen as reference
import torch

from memrix import Hardware, Seeds
from memrix.crossbar import Crossbar, program_pairs
from memrix.device import CellCurrent

GROUPS, INPUTS, OUTPUTS = 2, 70, 3
FINE = {"adc.precision_bits": 14, "adc.range_bits": 9, "tile.rows": 32}
HHRS, LLRS = (np.asarray(getattr(reference.default_params, name), dtype=np.float64) for name in ("HHRS", "LLRS"))


def integers(bits: int = 4) -> torch.Tensor:
    limit = 2 ** (bits - 1) - 1
    generator = torch.Generator().manual_seed(1)
    return torch.randint(-limit, limit + 1, (GROUPS, INPUTS, OUTPUTS), generator=generator, dtype=torch.int32)


def crossbar(hardware: Hardware, weights: torch.Tensor | None = None, seeds: Seeds | None = None) -> Crossbar:
    weights = integers(hardware.weight_bits) if weights is None else weights
    layout, seeds = hardware.layout(*weights.shape), seeds or Seeds()
    pairs = program_pairs(weights, layout, hardware.technology, seeds=seeds, name="test")
    return Crossbar(
        pairs,
        layout=layout,
        circuit=hardware.circuit,
        parameters=hardware.parameters,
        read_seed=seeds.read,
        name="test",
    )


def codes(vectors: int, shared: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(-128, 129, (GROUPS, shared, vectors, INPUTS), generator=generator)


def cell_states(array: Crossbar) -> tuple[np.ndarray, np.ndarray]:
    """States ``[groups, inputs, planes, outputs]`` of the positive and the negative cells."""
    layout = array.layout
    shape = (GROUPS, layout.row_tiles * layout.rows, layout.planes, OUTPUTS)
    difference = array.difference.view(shape)[:, :INPUTS].double().numpy()
    total = array.total.view(shape)[:, :INPUTS].double().numpy()
    return (total + difference) / 2, (total - difference) / 2


def cell_by_cell(array: Crossbar, hardware: Hardware, inputs: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the result for vectors ``[groups, vectors, inputs]``, cell by cell, from the formulas."""
    voltage = inputs.double().numpy() / 128 * 0.4
    voltage = voltage[:, :, :, None, None]  # [groups, vectors, inputs, planes, outputs]
    gain = hardware.circuit.gain(hardware.parameters, hardware.programming.nominal_states(hardware.parameters))
    weight = 2.0 ** np.arange(array.layout.planes)[:, None]
    mean = variance = 0.0
    for sign, states in zip((1, -1), cell_states(array), strict=True):
        cell = reference.Imix(states[:, None], voltage, HHRS, LLRS)
        with np.errstate(invalid="ignore", divide="ignore"):
            conductance = np.where(
                voltage == 0, reference.Imix(states[:, None], 1e-9, HHRS, LLRS) / 1e-9, cell / voltage
            )
        noise = 4 * 1.380649e-23 * 300 * 1e8 * np.abs(conductance) + 2 * 1.602176634e-19 * 1e8 * np.abs(cell)
        mean = mean + sign * (weight * cell).sum(axis=(2, 3))
        variance = variance + (weight**2 * noise).sum(axis=(2, 3))
    gain *= hardware.dac.digital_gain(CellCurrent(hardware.parameters))
    return mean * gain, variance * gain**2


def test_mean_is_the_sum_over_single_cells():
    hardware = Hardware.preset("physical").replace(weight_bits=4, **FINE)
    array, inputs = crossbar(hardware), codes(50)
    mean, variance = cell_by_cell(array, hardware, inputs[:, 0])
    readings = array(inputs)[:, 0].double().numpy()
    # 5 standard deviations of the noise, and half a step of each of 3 tiles in planes of weight 1, 2 and 4
    assert np.all(np.abs(readings - mean) < 5 * np.sqrt(variance) + 3 * 7 * hardware.adc.step)
    assert np.abs(readings - mean).mean() < 0.05 * np.abs(mean).mean()


def test_mean_without_noise_is_exact_to_the_step():
    hardware = Hardware.preset("physical").replace(weight_bits=4, **FINE)
    noisy, quiet = crossbar(hardware), crossbar(hardware.replace(noise="off"))
    assert torch.equal(noisy.difference, quiet.difference)
    inputs = codes(50)
    mean, _ = cell_by_cell(noisy, hardware, inputs[:, 0])
    np.testing.assert_allclose(
        quiet(inputs)[:, 0].numpy(), mean, rtol=1e-5, atol=3 * 7 * hardware.adc.step / 2 + 1e-4
    )


def test_variance_is_the_sum_over_single_cells():
    hardware = Hardware.preset("physical").replace(weight_bits=4, **FINE)
    array = crossbar(hardware)
    vector = codes(1)
    vector[..., :5] = 0
    mean, variance = cell_by_cell(array, hardware, vector[:, 0])
    reads = 20_000
    readings = array(vector.expand(-1, -1, reads, -1))[:, 0].double().numpy()
    # The relative error of a variance from n normals is sqrt(2 / n) = 1 %; the mean's is sigma / sqrt(n).
    np.testing.assert_allclose(readings.var(axis=1), variance[:, 0], rtol=0.05)
    assert np.all(np.abs(readings.mean(axis=1) - mean[:, 0]) < 5 * np.sqrt(variance[:, 0] / reads) + 2e-3)


def test_noise_is_independent_between_vectors_and_columns():
    hardware = Hardware.preset("physical").replace(weight_bits=2, **FINE)
    reads = 5_000
    readings = crossbar(hardware)(codes(1).expand(-1, -1, reads, -1))[0, 0]
    columns = torch.corrcoef(readings.T) - torch.eye(OUTPUTS)
    successive = torch.corrcoef(torch.stack([readings[:-1, 0], readings[1:, 0]]))[0, 1]
    assert columns.abs().max() < 5 / reads**0.5
    assert abs(successive) < 5 / reads**0.5


def test_legacy_noise_is_shared_over_the_batch_axis():
    hardware = Hardware.preset("paper").replace(weight_bits=2, **FINE)
    array, quiet = crossbar(hardware), crossbar(hardware.replace(noise="off"))
    inputs = codes(40).expand(-1, 6, -1, -1)
    noise = array(inputs) - quiet(inputs)
    assert noise.std() > 0.05
    torch.testing.assert_close(noise[:, 0], noise[:, 5], rtol=0, atol=3 * hardware.adc.step)
    assert torch.corrcoef(torch.stack([noise[0, 0, :, 0], noise[0, 0, :, 1]]))[0, 1].abs() < 0.6


def test_reading_again_from_the_same_seed_repeats_the_noise():
    array, inputs = crossbar(Hardware.preset("physical")), codes(9)
    first, second = array(inputs), array(inputs)
    array.restart(array.read_seed)
    assert torch.equal(array(inputs), first)
    assert not torch.equal(first, second)


def test_three_seeds_are_three_independent_streams():
    hardware = Hardware.preset("physical").replace(**FINE)
    base = crossbar(hardware)
    assert torch.equal(crossbar(hardware, seeds=Seeds(read=5)).difference, base.difference)
    assert not torch.equal(crossbar(hardware, seeds=Seeds(chip=5)).difference, base.difference)
    assert not torch.equal(crossbar(hardware, seeds=Seeds(programming=5)).difference, base.difference)


def test_clipped_conversions_are_counted():
    hardware = Hardware.preset("ideal").replace(weight_bits=2, **{"adc.range_bits": 3, "tile.rows": 32})
    ones = torch.ones(1, 40, 2, dtype=torch.int32)
    array = crossbar(hardware, weights=ones)
    full = torch.full((1, 1, 6, 40), 128)
    # 32 rows read 32 and are clipped at 4, the 8 rows of the second tile read 8 and are clipped too
    torch.testing.assert_close(array(full), torch.full((1, 1, 6, 2), 8.0))
    assert (array.counts.clipped, array.counts.conversions) == (6 * 2 * 2, 6 * 2 * 2)
    array(full // 128 * 8)
    assert (array.counts.clipped, array.counts.conversions) == (24, 48)


def test_no_vector_is_read_as_nothing():
    assert crossbar(Hardware.preset("physical"))(codes(0)).shape == (GROUPS, 1, 0, OUTPUTS)


def test_a_hotter_chip_is_noisier():
    """Thermal noise grows with the temperature, shot noise does not: 4 k T / U against 2 e at 0.4 V."""
    vectors = torch.full((GROUPS, 1, 2000, INPUTS), 128)
    variances = []
    for kelvin in (300.0, 600.0):
        array = crossbar(Hardware().replace(**FINE, **{"device.temperature": kelvin}))
        variances.append(float(array(vectors).double().var(dim=2).mean()))
    thermal, shot = 4 * 1.380649e-23 * 300 / 0.4, 2 * 1.602176634e-19
    expected = (2 * thermal + shot) / (thermal + shot)
    assert variances[1] / variances[0] == pytest.approx(expected, rel=0.05)
