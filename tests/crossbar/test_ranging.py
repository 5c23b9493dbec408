import pytest
import torch
from torch import Tensor

from memrix import Hardware
from memrix.crossbar import ADC, Crossbar
from memrix.crossbar.ranging import best_converter
from tests.crossbar.test_crossbar import codes, crossbar

PAPER = Hardware(weight_bits=3, noise="off").replace(**{"tile.rows": 64})


def with_readings_up_to(largest: float, hardware: Hardware = PAPER) -> tuple[Crossbar, Tensor]:
    """A crossbar and codes whose largest reading is as given."""
    array, vectors = crossbar(hardware), codes(100)[:, 0]
    array.difference.mul_(largest / float(array.readings(vectors).abs().max()))
    return array, vectors


def error(array: Crossbar, vectors: Tensor, adc: ADC) -> float:
    """Mean square error of the results that an ADC of as fine a step as one likes would give."""
    array.set_converter(adc)
    read = array(vectors[:, None])
    array.set_converter(ADC(precision_bits=14, range_bits=10))
    exact = array(vectors[:, None])
    return float((read - exact).square().mean())


@pytest.mark.parametrize("bits", [(4, 4), (8, 8), (0, 8), (2, 1), (1, 0), (12, 12), (20, 4), (4, 20)])
@pytest.mark.parametrize("largest", [1e-3, 0.4, 30.0, 1e4])
def test_bits_in_all_stay_the_same(bits, largest):
    array, vectors = with_readings_up_to(largest)
    fixed = ADC(*bits)
    array.set_converter(fixed)
    adc = best_converter(array, vectors)
    assert adc.bits == sum(bits)
    assert not adc.per_layer


@pytest.mark.parametrize("bits", [(4, 4), (1, 7), (6, 2), (3, 3), (2, 1)])
@pytest.mark.parametrize("largest", [0.05, 0.4, 3.0, 8.0, 30.0])
def test_never_worse_than_the_fixed_split(bits, largest):
    array, vectors = with_readings_up_to(largest)
    fixed = ADC(*bits)
    array.set_converter(fixed)
    adc = best_converter(array, vectors)
    assert error(array, vectors, adc) <= error(array, vectors, fixed) * (1 + 1e-4)


def test_a_fixed_split_that_no_other_beats_is_kept():
    """Ideal cells on codes of full scale read whole numbers, which steps of 1 convert without any error."""
    hardware = Hardware.preset("ideal").replace(weight_bits=3, **{"adc.precision_bits": 0, "adc.range_bits": 8})
    array = crossbar(hardware)
    assert best_converter(array, codes(50)[:, 0].sign() * 128) == hardware.adc


def test_small_readings_turn_range_into_precision():
    array, vectors = with_readings_up_to(0.4)
    adc = best_converter(array, vectors)
    assert adc.range_bits < 4
    assert adc.step < 2.0**-7
    # Most of the range is used, and what is clipped, if anything, is worth it.
    assert 0.2 < adc.step * adc.largest_code < 0.6
    assert error(array, vectors, adc) < error(array, vectors, ADC(4, 4)) / 50


def test_large_readings_get_range():
    array, vectors = with_readings_up_to(30.0)
    adc = best_converter(array, vectors)
    assert adc.range_bits > 4
    assert adc.step * adc.largest_code > 15
    assert error(array, vectors, adc) < error(array, vectors, ADC(4, 4)) / 3


def test_the_gain_stays_near_one_where_the_split_can_follow():
    for largest in (0.4, 3.0, 30.0):
        array, vectors = with_readings_up_to(largest)
        assert 2**-0.51 < best_converter(array, vectors).gain < 2**0.51


@pytest.mark.parametrize("vectors", [0, 3])
def test_no_reading_keeps_the_converter(vectors):
    array = crossbar(PAPER.replace(**{"adc.per_layer": True}))
    assert best_converter(array, torch.zeros(2, vectors, 70)) == ADC(4, 4)
