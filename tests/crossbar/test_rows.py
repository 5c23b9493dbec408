"""Reading single rows against sums over the cells of their tile in float64."""

import numpy as np
import pytest
import synaptogen.synaptogen as reference
import torch

from memrix import Hardware, Seeds
from memrix.crossbar import Crossbar, program_pairs
from tests.crossbar.test_crossbar import FINE, HHRS, LLRS

INPUTS, OUTPUTS, ROWS = 70, 3, 32
PHYSICAL = Hardware(weight_bits=4).replace(**FINE)


def crossbar(hardware: Hardware) -> Crossbar:
    generator = torch.Generator().manual_seed(1)
    weights = torch.randint(-7, 8, (1, INPUTS, OUTPUTS), generator=generator, dtype=torch.int32)
    layout, circuit = hardware.layout(*weights.shape), hardware.circuit
    pairs = program_pairs(weights, layout, hardware.technology, seeds=Seeds(), name="test")
    return Crossbar(pairs, layout=layout, circuit=circuit, parameters=hardware.parameters, read_seed=0, name="test")


def cell_by_cell(array: Crossbar, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the results ``[outputs]`` of a row at 0.4 V among the resting rows of its tile."""
    first = row // ROWS * ROWS
    tile = slice(first, min(first + ROWS, INPUTS))
    shape = (-1, array.layout.planes, OUTPUTS)
    difference, total = (t.view(shape)[tile].double().numpy() for t in (array.difference, array.total))
    voltage = np.zeros((len(difference), 1, 1))
    voltage[row - first] = 0.4
    gain = array.circuit.gain(PHYSICAL.parameters, array.nominal_states)
    weight = 2.0 ** np.arange(array.layout.planes)[:, None]
    mean = variance = 0.0
    for sign in (1, -1):
        states = (total + sign * difference) / 2
        current = reference.Imix(states, voltage, HHRS, LLRS)
        small = np.where(voltage == 0, 1e-9, voltage)
        conductance = reference.Imix(states, small, HHRS, LLRS) / small
        noise = 4 * 1.380649e-23 * 300 * 1e8 * conductance + 2 * 1.602176634e-19 * 1e8 * current
        mean = mean + sign * (weight * current).sum(axis=(0, 1))
        variance = variance + (weight**2 * noise).sum(axis=(0, 1))
    return mean * gain, variance * gain**2


@pytest.mark.parametrize("row", [0, 31, 40, 69], ids=["first", "end of a tile", "second tile", "short last tile"])
def test_mean_and_variance_are_sums_over_single_cells(row):
    array, reads = crossbar(PHYSICAL), 20_000
    mean, variance = cell_by_cell(array, row)
    readings = array.read_rows(torch.full((reads,), row)).double().numpy()
    # The relative error of a variance from n normals is sqrt(2 / n) = 1 %; the mean's is sigma / sqrt(n).
    np.testing.assert_allclose(readings.var(axis=0), variance, rtol=0.05)
    assert np.all(np.abs(readings.mean(axis=0) - mean) < 5 * np.sqrt(variance / reads) + 1e-4)


def test_rows_of_different_tiles_are_read_together():
    quiet = crossbar(PHYSICAL.replace(noise="off"))
    rows = torch.tensor([69, 0, 40, 0])
    expected = torch.stack([quiet.read_rows(row[None])[0] for row in rows])
    assert torch.equal(quiet.read_rows(rows), expected)


def test_only_the_tile_of_the_row_is_converted():
    array = crossbar(PHYSICAL.replace(**{"adc.precision_bits": 4, "adc.range_bits": 0}))
    array.read_rows(torch.tensor([0, 40]))
    assert array.counts.conversions == 2 * 3 * OUTPUTS
    assert 0 < array.counts.clipped < array.counts.conversions


def test_no_row_is_read_as_nothing():
    assert crossbar(PHYSICAL).read_rows(torch.empty(0, dtype=torch.int64)).shape == (0, OUTPUTS)
