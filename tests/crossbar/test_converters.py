from dataclasses import replace

import numpy as np
import pytest
import torch

from memrix.crossbar import ADC, DAC
from memrix.crossbar.adc import convert_
from memrix.device import CellCurrent, load_parameters
from memrix.errors import SettingsError

PARAMETERS = load_parameters()
CURRENT = CellCurrent(PARAMETERS)


def test_adc_clips_symmetrically_and_counts():
    adc = ADC(precision_bits=4, range_bits=4)
    steps = torch.tensor([-9.0, -8.0, 0.03, 0.04, 7.99, 8.0, 9.0]) / adc.step
    assert int(convert_(steps, adc.largest_code)) == 2
    expected = torch.tensor([-8.0, -8.0, 0.0, 0.0625, 8.0, 8.0, 8.0])
    torch.testing.assert_close(steps * adc.step, expected, rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(), (3,), (40, 1), (2, 1000, 3), (5, 1024), (7, 1100)], ids=str)
def test_clipped_readings_of_any_shape_are_counted(shape):
    adc = ADC(precision_bits=2, range_bits=2)
    steps = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 5
    expected = steps.round()
    outside = int((expected.abs() > 8).sum())
    assert int(convert_(steps, adc.largest_code)) == outside
    assert torch.equal(steps, expected.clamp(-8, 8))


def test_adc_of_the_paper_has_steps_of_a_sixteenth_and_clips_at_eight():
    assert (ADC().step, ADC().largest_code * ADC().step) == (1 / 16, 8.0)


def test_codes_round_and_clip():
    codes = DAC(bits=8).codes(torch.tensor([-2.0, -1.0, -0.004, 0.0, 0.25, 1.0, 7.0]), torch.tensor(1 / 128))
    torch.testing.assert_close(codes, torch.tensor([-128.0, -128.0, -1.0, 0.0, 32.0, 128.0, 128.0]))


def test_equal_levels_are_equal_steps_in_volts():
    voltages = DAC(bits=8).voltages(CURRENT)
    assert len(voltages) == 257
    np.testing.assert_allclose(np.diff(voltages), 0.4 / 128)


def test_linearizing_levels_make_the_current_proportional_to_the_code():
    dac = DAC(bits=8, levels="linearizing")
    voltages = dac.voltages(CURRENT)
    codes = np.arange(-128, 129)
    currents = -CURRENT.slope(voltages)
    np.testing.assert_allclose(currents, codes / 128 * dac.full_scale(CURRENT), rtol=1e-9, atol=1e-18)
    assert voltages[128] == 0.0
    assert np.abs(voltages).max() == pytest.approx(0.4, abs=1e-9)


def test_levels_that_a_caller_changes_are_those_of_nobody_else():
    voltages = DAC(levels="linearizing").voltages(CURRENT)
    before = voltages.copy()
    voltages += 1.0
    np.testing.assert_array_equal(DAC(levels="linearizing").voltages(CURRENT), before)
    assert np.abs(DAC(vmax=0.3, levels="linearizing").voltages(CURRENT)).max() == pytest.approx(0.3, abs=1e-9)


def test_layers_share_levels_that_follow_the_current(monkeypatch):
    dac, asked = DAC(levels="linearizing"), []
    dac.voltages(CURRENT)
    slope = CellCurrent.slope
    monkeypatch.setattr(CellCurrent, "slope", lambda self, volts: asked.append(np.size(volts)) or slope(self, volts))
    dac.voltages(CellCurrent(CURRENT.parameters))
    assert not asked


def test_equal_levels_leave_an_error_of_several_percent():
    voltages = DAC(bits=8).voltages(CURRENT)
    conductances = CURRENT.slope(voltages[voltages != 0]) / voltages[voltages != 0]
    assert conductances.max() / conductances.min() < 0.95


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (DAC, {"bits": 1}),
        (DAC, {"bits": 8.0}),
        (DAC, {"vmax": -0.6}),
        (DAC, {"vmax": float("nan")}),
        (DAC, {"levels": "linear"}),
        (ADC, {"precision_bits": 0, "range_bits": 0}),
        (ADC, {"precision_bits": True}),
        (ADC, {"precision_bits": 15, "range_bits": 15}),
    ],
)
def test_impossible_converters_are_refused_with_the_value(kind, settings):
    with pytest.raises(SettingsError, match=str(next(iter(settings.values())))):
        kind(**settings)


def test_linearizing_is_refused_where_the_current_does_not_rise():
    # The current of the low-resistance extreme turns over at 1 V.
    turning = replace(PARAMETERS, low_resistance=np.array([-1e-4, 0, 3e-4, 0]), high_resistance=np.array([1e-5, 0]))
    with pytest.raises(SettingsError, match=r"smaller dac\.vmax"):
        DAC(vmax=1.2, levels="linearizing").voltages(CellCurrent(turning))
    DAC(vmax=0.9, levels="linearizing").voltages(CellCurrent(turning))


@pytest.mark.parametrize("levels", ["equal", "linearizing"])
def test_no_level_lies_where_the_device_was_not_measured(levels):
    short = replace(PARAMETERS, full_reset_voltage=0.5)
    with pytest.raises(SettingsError, match=r"dac\.vmax must not lie beyond 0\.5 V"):
        DAC(vmax=0.6, levels=levels).voltages(CellCurrent(short))


def test_gain_correction_is_the_factor_of_least_square_error():
    """Of activations of a quarter of the range, in float64: no other factor leaves a smaller error."""
    for volts, expected in ((0.6, 1.039), (0.4, 1.028)):
        dac = DAC(bits=8, vmax=volts)
        gain = dac.digital_gain(CURRENT)
        assert gain == pytest.approx(expected, abs=5e-4)
        activations = np.random.default_rng(0).normal(0, 0.25, 1_000_000).clip(-1, 1)
        codes = np.round(activations * 128)
        made = CURRENT.slope(codes / 128 * volts) / CURRENT.slope(volts)
        errors = [np.mean((factor * made - codes / 128) ** 2) for factor in (0.998 * gain, gain, 1.002 * gain)]
        assert errors[1] < min(errors[0], errors[2])


@pytest.mark.parametrize("levels", ["equal", "linearizing"])
def test_other_levels_have_no_gain_to_correct(levels):
    assert DAC(levels=levels).digital_gain(CURRENT) == 1.0


def test_gain_corrected_levels_are_equal_steps_in_volts():
    np.testing.assert_array_equal(DAC().voltages(CURRENT), DAC(levels="equal").voltages(CURRENT))
