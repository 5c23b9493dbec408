"""Inputs that are read bit by bit, and mismatch of the levels of a DAC."""

import math

import numpy as np
import pytest
import torch

from memrix import DAC, Hardware
from memrix._support.streams import Stream
from memrix.crossbar import Crossbar, best_converter, gemm, read
from memrix.crossbar.operator import KEY, READINGS
from memrix.device import CellCurrent, load_parameters
from memrix.errors import SettingsError
from tests.crossbar.test_crossbar import FINE, crossbar, integers

CURRENT = CellCurrent(load_parameters())
SERIAL = {"dac.inputs": "bit-serial"}
IDEAL = Hardware.preset("ideal").replace(weight_bits=4, **SERIAL)
PHYSICAL = Hardware(weight_bits=3).replace(**SERIAL, **{"tile.rows": 32})
QUIET = PHYSICAL.replace(noise="off")


def codes(vectors: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(-127, 128, (2, 1, vectors, 70), generator=generator)


def test_codes_have_a_sign_and_a_bit_for_each_reading():
    dac = DAC(bits=4, inputs="bit-serial")
    assert (dac.largest_code, dac.codes_count, dac.cycle_weights) == (7, 15, [1, 2, 4])
    assert dac.driven[:, 7 + 5].tolist() == [True, False, True]
    assert dac.driven[:, 7 - 6].tolist() == [False, True, True]
    np.testing.assert_allclose(dac.voltages(CURRENT), [-0.4] * 7 + [0] + [0.4] * 7)


def test_ideal_chips_multiply_exactly():
    inputs = codes(40)
    expected = torch.bmm(inputs[:, 0].float() / 127, integers().float())
    torch.testing.assert_close(crossbar(IDEAL)(inputs)[:, 0], expected, rtol=0, atol=2e-3)


def test_the_curve_of_the_current_does_not_matter():
    """At one sign, all cells see one voltage: codes are proportional, and those of a multi-level DAC are not."""
    inputs = codes(40).abs()
    errors = []
    for inputs_of, largest in (("bit-serial", 127), ("multi-level", 128)):
        hardware = IDEAL.replace(**{"dac.inputs": inputs_of, "dac.levels": "equal"})
        expected = torch.bmm(inputs[:, 0].float() / largest, integers().float())
        errors.append(float((crossbar(hardware)(inputs)[:, 0] - expected).norm() / expected.norm()))
    assert errors[0] < 1e-4
    assert errors[1] > 0.005


def test_every_bit_is_read_and_converted_and_counted():
    array, multi = crossbar(PHYSICAL), crossbar(PHYSICAL.replace(**{"dac.inputs": "multi-level"}))
    array(codes(5))
    multi(codes(5))
    assert array.counts.conversions == 7 * multi.counts.conversions == 7 * 5 * array.shape.conversions


def by_hand(array: Crossbar, inputs: torch.Tensor) -> torch.Tensor:
    """Each bit as a reading of signs and zeros of its own, in tensor operations."""
    total = 0.0
    for bit in range(7):
        cells = read.Cells(
            array.shape, array.difference, array.total, array.tables[bit], array.circuit.adc.largest_code
        )
        vectors = (inputs[:, 0].abs() >> bit & 1) * inputs[:, 0].sign() * 127.0
        first = array.record[READINGS] + bit * 2**56
        total = total + 2**bit * read.read(vectors, array.unit, cells, array.record[KEY], first)[0]
    return total * array.result_weight


@pytest.mark.skipif(not gemm.available(), reason="products of torch depend on the size of a batch")
@pytest.mark.parametrize("hardware", [QUIET, PHYSICAL], ids=["quiet", "physical"])
def test_compiled_loops_give_the_bits_of_tensor_operations(hardware):
    inputs = codes(30)
    array = crossbar(hardware)
    expected = by_hand(array, inputs)
    assert torch.equal(array(inputs)[:, 0], expected)


@pytest.mark.skipif(not gemm.available(), reason="products of torch depend on the size of a batch")
@pytest.mark.parametrize("errors", [{}, {"adc.noise": 0.5, "adc.offset_error": 1.0}], ids=["ideal", "errors"])
def test_a_batch_may_be_split_in_any_way(errors):
    hardware, inputs = PHYSICAL.replace(**errors), codes(20)
    array = crossbar(hardware)
    parts = torch.cat([array(part) for part in inputs.split((1, 7, 12), 2)], 2)
    assert torch.equal(parts, crossbar(hardware)(inputs))


def test_noise_of_each_bit_is_its_own():
    fine = {**FINE, **SERIAL}
    noisy, quiet = (crossbar(Hardware(weight_bits=3, noise=noise).replace(**fine)) for noise in ("physical", "off"))
    largest = torch.full((2, 1, 300, 70), 127)
    noise = (noisy(largest) - quiet(largest)).std(2)
    one = torch.full((2, 1, 300, 70), 64)
    single = (noisy(one) - quiet(one)).std(2)
    # Of bits of weight 1 to 64 with independent noise, and of the last alone beside the noise of cells at rest.
    assert float(noise.mean() / single.mean()) == pytest.approx(
        math.sqrt(sum(4**bit for bit in range(7))) / 64, rel=0.1
    )


def test_gradients_and_matrices_know_the_bits():
    array = crossbar(IDEAL)
    torch.testing.assert_close(array.matrices(), integers().float(), rtol=0, atol=1e-3)
    torch.testing.assert_close(array.transfer(), torch.arange(-127, 128) / 127, rtol=0, atol=1e-5)


def test_what_converters_are_given_lies_bit_by_bit():
    array = crossbar(QUIET.replace(**{"adc.range_bits": 8}))
    inputs = codes(10)[:, 0]
    given = array.readings(inputs)
    assert given.shape == (2, 7 * 3, 10, 2, 3)
    results = (given.unflatten(1, (7, 3)) * 2.0 ** torch.arange(7).view(7, 1, 1, 1, 1)).sum((1, 2))
    results = (results * torch.tensor([1.0, 2.0])[:, None]).sum(2) * array.digital_gain / 127
    torch.testing.assert_close(results, array(inputs[:, None])[:, 0], rtol=0, atol=0.3)


def test_a_converter_that_suits_a_layer_suits_its_bits():
    array = crossbar(QUIET.replace(**{"adc.precision_bits": 1, "adc.range_bits": 7}))
    inputs = codes(100)
    exact = crossbar(QUIET.replace(**{"adc.precision_bits": 14, "adc.range_bits": 9}))(inputs)
    before = float((array(inputs) - exact).norm())
    array.set_converter(best_converter(array, inputs[:, 0]))
    assert float((array(inputs) - exact).norm()) < 0.5 * before


def test_a_single_row_is_read_once():
    weights = torch.randint(-3, 4, (1, 70, 3), generator=torch.Generator().manual_seed(1), dtype=torch.int32)
    array = crossbar(IDEAL.replace(weight_bits=3), weights)
    rows = torch.tensor([3, 69])
    torch.testing.assert_close(array.read_rows(rows), weights[0, rows].float(), rtol=0, atol=1e-3)
    assert array.counts.conversions == 2 * 2 * 3


def test_noise_that_items_share_is_drawn_for_every_bit():
    paper = Hardware.preset("paper").replace(weight_bits=3, **SERIAL)
    array = crossbar(paper)
    same = codes(4).expand(-1, 3, -1, -1)
    results = array(same)
    assert torch.equal(results[:, 0], results[:, 2])
    assert not torch.equal(results, crossbar(paper.replace(noise="off"))(same))


def test_levels_are_taps_of_a_string_of_resistors():
    dac = DAC(bits=8, level_mismatch=0.05)
    voltages = dac.voltages(CURRENT)
    drawn = np.stack([dac.mismatched(voltages, Stream.of(seed, "levels")) for seed in range(400)])
    step = 0.4 / 128
    assert (drawn[:, [0, 128, 256]] == voltages[[0, 128, 256]]).all()
    assert (np.diff(drawn) > 0).all()
    assert np.std(np.diff(drawn) / step) == pytest.approx(0.05, rel=0.03)
    # A bridge between two references is loosest in its middle.
    middle = (drawn[:, 192] - voltages[192]) / step
    assert np.std(middle) == pytest.approx(0.05 * math.sqrt(128) / 2, rel=0.1)


def test_levels_are_drawn_with_the_chip():
    hardware = Hardware.preset("ideal").replace(weight_bits=4, **{"dac.level_mismatch": 0.1})
    one, plain = crossbar(hardware), crossbar(hardware.replace(**{"dac.level_mismatch": 0.0}))
    assert not torch.equal(one.tables, plain.tables)
    other = crossbar(hardware)
    other.chip_seed = 1
    other.set_converter(other.circuit.adc)
    assert not torch.equal(one.tables, other.tables)
    assert torch.equal(one.tables[:, [0, 128, 256]], plain.tables[:, [0, 128, 256]])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"inputs": "serial"}, "dac.inputs must be one of 'multi-level', 'bit-serial', got 'serial'"),
        ({"level_mismatch": -0.1}, "dac.level_mismatch must be a number from 0 to 0.2 LSB, got -0.1"),
        ({"level_mismatch": math.nan}, "got nan"),
        (
            {"level_mismatch": 0.1, "inputs": "bit-serial"},
            "references alone.*got dac.level_mismatch=0.1; set it to 0",
        ),
    ],
)
def test_impossible_settings_are_refused_with_the_value(settings, problem):
    with pytest.raises(SettingsError, match=problem):
        DAC(**settings)
