"""ADCs with errors: what each draws, what it makes of readings, and what of that a digital correction takes away."""

import math
from dataclasses import replace

import pytest
import torch

from memrix import ADC, Hardware
from memrix._support.streams import Stream
from memrix.crossbar import Crossbar, gemm
from memrix.crossbar.converters import Converters, convert_with_errors_, draw_errors
from memrix.crossbar.mapping import Layout, Tile
from memrix.errors import SettingsError
from tests.crossbar.test_crossbar import FINE, codes, crossbar

CPU = torch.device("cpu")
IDEAL = Hardware.preset("ideal").replace(weight_bits=4, **{"tile.rows": 32, "adc.precision_bits": 4})
QUIET = IDEAL.replace(**{"adc.range_bits": 8})
ERRORS = {"adc.offset_error": 1.5, "adc.gain_error": 0.03, "adc.capacitor_mismatch": 0.02, "adc.stuck_lsb": 0.1}
WITH_ERRORS = Hardware(weight_bits=3).replace(**ERRORS, **{"tile.rows": 32, "adc.noise": 0.5})
MANY = Layout(groups=1, inputs=256, outputs=2500, planes=4, levels=1, tile=Tile(rows=128, columns=128))


def errors(adc: ADC, layout: Layout = MANY) -> torch.Tensor:
    drawn = draw_errors(adc, layout, Stream.of(0, "converters", "test"), CPU)
    assert drawn is not None
    return drawn


def convert(adc: ADC, drawn: torch.Tensor, steps: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Codes of readings ``[arrays, n, columns]``, and how many were clipped."""
    made = steps.clone()
    of_record = Converters(drawn, adc.noise, torch.tensor(7))
    return made, int(convert_with_errors_(made, adc.largest_code, of_record, torch.arange(steps.shape[1])))


def test_ideal_converters_draw_nothing():
    assert ADC().ideal
    assert crossbar(QUIET).adc_errors is None
    assert draw_errors(ADC(columns_per_converter=8), MANY, Stream.of(0), CPU) is None


def test_offsets_and_gains_have_the_deviations_that_are_set():
    gain, offset, lowest_bit = errors(ADC(offset_error=2.0, gain_error=0.05, stuck_lsb=0.25))  # of 20,000 converters
    assert float(offset.std()) == pytest.approx(2.0, rel=0.02)
    assert float(gain.std()) == pytest.approx(0.05, rel=0.02)
    assert abs(float(offset.mean())) < 0.06
    assert float(gain.mean()) == pytest.approx(1.0, abs=0.002)
    assert float((lowest_bit == 2).float().mean()) == pytest.approx(0.25, abs=0.015)
    assert abs(float(torch.corrcoef(torch.stack((gain.flatten(), offset.flatten())))[0, 1])) < 0.03


def test_first_draws_of_converters_are_pinned():
    """They are part of what the seed of a chip means: others take another version of the streams."""
    drawn = errors(ADC(offset_error=1.0, gain_error=0.1, capacitor_mismatch=0.1, stuck_lsb=0.5))[:, 0, :2]
    torch.testing.assert_close(drawn, torch.tensor(PINNED), rtol=0, atol=2e-5)


def test_non_linearity_has_the_deviations_of_mismatched_capacitors():
    """All units change over in the middle."""
    sigma, bits = 0.01, 8
    weights = errors(ADC(capacitor_mismatch=sigma))[3:].double().flatten(1)
    differential = weights[-1] - weights[:-1].sum(0) - 1
    integral = weights[-1] - 2.0 ** (bits - 1)
    assert float(differential.std()) == pytest.approx(sigma * math.sqrt(2**bits - 1), rel=0.02)
    assert float(integral.std()) == pytest.approx(sigma * math.sqrt(2**bits) / 2, rel=0.02)


def test_every_converter_has_capacitors_of_its_own():
    weights = errors(ADC(capacitor_mismatch=0.01))[3:].flatten(1)
    assert torch.unique(weights, dim=1).shape[1] == weights.shape[1]
    assert float((torch.corrcoef(weights[:5]) - torch.eye(5)).abs().max()) < 0.05  # the largest share the total


def test_codes_are_those_of_a_search_by_hand():
    adc = ADC(precision_bits=2, range_bits=3, offset_error=1.0, gain_error=0.1, capacitor_mismatch=0.15)
    drawn = errors(adc, replace(MANY, inputs=128, outputs=6, planes=1))
    steps = torch.linspace(-20, 20, 4001)[None, :, None].repeat(1, 1, 6)
    made, clipped = convert(adc, drawn, steps)
    beyond = 0
    for column in range(6):
        gain, offset, _, *weights = drawn[:, 0, column].tolist()
        for step, found in zip(steps[0, ::97, column].tolist(), made[0, ::97, column].tolist(), strict=True):
            rest, code = step * gain + offset + 16.5, 0
            for bit in reversed(range(5)):
                if rest >= weights[bit]:
                    rest, code = rest - weights[bit], code + 2**bit
            assert found == code - 16
        given = steps[0, :, column].double() * gain + offset
        beyond += int(((given < -16.5) | (given >= 15.5)).sum())
    assert clipped == beyond


def test_matched_capacitors_are_the_ideal_converter_but_for_its_largest_code():
    adc = ADC(precision_bits=4, range_bits=4, capacitor_mismatch=1e-9)
    whole = torch.arange(-140, 140).float()[None, :, None]
    for apart in (-0.499, 0.0, 0.499):
        made, _ = convert(adc, errors(adc), (whole + apart).repeat(2, 1, 10_000))
        assert torch.equal(made, whole.clamp(-128, 127).expand_as(made))


def test_a_stuck_lowest_bit_leaves_every_second_code():
    adc = ADC(stuck_lsb=1.0)
    steps = torch.arange(-130, 130).float()[None, :, None].repeat(2, 1, 10_000)
    made, _ = convert(adc, errors(adc), steps)
    assert torch.equal(made, torch.div(steps.clamp(-128, 128), 2, rounding_mode="floor") * 2)


@pytest.mark.parametrize("shared", [1, 4, 7, 200])
def test_neighbors_share_a_converter_within_their_tile(shared):
    layout = Layout(groups=2, inputs=40, outputs=30, planes=2, levels=1, tile=Tile(rows=32, columns=16))
    both = errors(ADC(offset_error=1.0, gain_error=0.1, columns_per_converter=shared), layout)[:2].view(2, 4, 2, 30)
    place = {}
    for array in range(4):
        for plane in range(2):
            for output in range(30):
                converter = (array, plane, output // 16, output % 16 // shared)
                value = tuple(both[:, array, plane, output].tolist())
                assert place.setdefault(converter, value) == value
    assert len(set(place.values())) == len(place) == 8 * (math.ceil(16 / shared) + math.ceil(14 / shared))


def test_rows_of_a_tile_that_are_read_in_turn_meet_the_same_converters():
    layout = Layout(groups=2, inputs=40, outputs=5, planes=2, levels=1, tile=Tile(rows=32), rows_at_once=8)
    drawn = errors(ADC(offset_error=1.0), layout)[1].view(2, 5, 10)
    whole = errors(ADC(offset_error=1.0), replace(layout, rows_at_once=None))[1].view(2, 2, 10)
    assert torch.equal(drawn, whole[:, [0, 0, 0, 0, 1]])


def test_noise_of_a_converter_has_its_deviation_and_its_own_stream():
    fine = {"adc.precision_bits": 14, "adc.range_bits": 9}
    noisy = crossbar(QUIET.replace(**fine, **{"adc.noise": 8.0}))
    inputs = codes(400)
    noise = (noisy(inputs) - crossbar(QUIET.replace(**fine))(inputs)) / noisy.result_weight
    # Of three row tiles in planes of weight 1, 2 and 4.
    assert float(noise.std()) == pytest.approx(8 * math.sqrt(3 * (1 + 4 + 16)), rel=0.05)
    cells = Hardware(weight_bits=4).replace(**FINE)
    of_cells = crossbar(cells)(inputs) - crossbar(cells.replace(noise="off"))(inputs)
    assert abs(float(torch.corrcoef(torch.stack((noise.flatten(), of_cells.flatten())))[0, 1])) < 0.08


@pytest.mark.skipif(not gemm.available(), reason="products of torch depend on the size of a batch")
@pytest.mark.parametrize("sizes", [(1,) * 64, (7,) * 9 + (1,)], ids=["1", "7"])
def test_a_batch_may_be_split_in_any_way(sizes):
    inputs, array, other = codes(64), crossbar(WITH_ERRORS), crossbar(WITH_ERRORS)
    parts = torch.cat([array(part) for part in inputs.split(sizes, 2)], 2)
    assert torch.equal(parts, other(inputs))
    assert array.counts == other.counts
    assert array.counts.conversions == 64 * array.shape.conversions


def test_a_crossbar_reads_with_its_offsets():
    array = crossbar(QUIET.replace(**{"adc.offset_error": 3.0}))
    assert array.adc_errors is not None
    offset = array.adc_errors[1].round().view(2, 3, array.layout.planes, 3).sum(1)  # of the row tiles
    expected = (offset * 2.0 ** torch.arange(array.layout.planes)[:, None]).sum(1)
    read = array(torch.zeros(2, 1, 1, 70, dtype=torch.int64))[:, 0, 0] / array.result_weight
    torch.testing.assert_close(read, expected)


def test_a_single_row_goes_through_the_converters_of_its_tile():
    array = one_group(QUIET.replace(**{"adc.offset_error": 3.0}))
    plain = one_group(QUIET)
    rows = torch.tensor([0, 31, 32, 69])
    assert array.adc_errors is not None
    offset = array.adc_errors[1, rows // 32].view(4, array.layout.planes, 3)
    expected = plain.read_rows(rows) + (offset.round() * array.plane_weights[:, None]).sum(1)
    torch.testing.assert_close(array.read_rows(rows), expected, rtol=0, atol=2 * 7 / 16)
    assert not torch.equal(array.read_rows(rows), plain.read_rows(rows))


def one_group(hardware: Hardware) -> Crossbar:
    weights = torch.randint(-7, 8, (1, 70, 3), generator=torch.Generator().manual_seed(1), dtype=torch.int32)
    return crossbar(hardware, weights)


def test_noise_that_items_share_does_not_share_that_of_the_converters():
    array = crossbar(Hardware.preset("paper").replace(weight_bits=3, **{"adc.noise": 1.0}))
    same = codes(5)[:, :1].expand(-1, 40, -1, -1)
    assert float(array(same).std(1).mean()) > 0


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("offset_error", value) for value in (-0.1, math.nan, math.inf, 2000.0, "1", True)),
        *(("gain_error", value) for value in (-0.1, math.nan, math.inf, 0.3)),
        *(("capacitor_mismatch", value) for value in (-0.1, math.nan, 0.5)),
        *(("noise", value) for value in (-1.0, math.inf)),
        *(("stuck_lsb", value) for value in (-0.1, 1.1)),
        *(("columns_per_converter", value) for value in (0, -1, 1.5, True)),
    ],
)
def test_impossible_errors_are_refused_with_name_and_value(setting, value):
    with pytest.raises(SettingsError, match=rf"adc\.{setting} must be .*got {value!r}"):
        ADC(**{setting: value})


def test_a_sar_converter_has_at_most_sixteen_bits():
    with pytest.raises(SettingsError, match="at most 16 bits, got precision_bits=12"):
        ADC(precision_bits=12, range_bits=12, capacitor_mismatch=0.01)


PINNED = [
    [1.01067, 1.19548],
    [-0.11833, 0.97572],
    [2.0, 2.0],
    [0.98573, 0.8137],
    [2.13375, 2.22911],
    [4.16162, 3.60784],
    [7.87427, 7.59164],
    [16.68913, 16.3528],
    [31.63346, 32.12863],
    [63.81377, 64.85088],
    [127.69994, 127.35197],
]
