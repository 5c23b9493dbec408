"""Chips that are tuned after programming: a converter of its own for every layer, digital corrections of columns."""

import copy
import math

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import CalibrationError
from memrix.nn.keys import SAMPLE
from tests.nn.ideal import seeded

FIXED = memrix.Hardware(weight_bits=4)
PER_LAYER = FIXED.replace(**{"adc.per_layer": True})
COLUMNS = FIXED.replace(column_calibration=True)
BOTH = PER_LAYER.replace(column_calibration=True)
each_tuning = pytest.mark.parametrize("hardware", [PER_LAYER, COLUMNS, BOTH], ids=["converter", "columns", "both"])


def network() -> nn.Module:
    """Layers whose readings are of different sizes: depthwise, pointwise and wide."""
    return seeded(
        0,
        lambda: nn.Sequential(
            nn.Conv1d(8, 8, 5, padding=2, groups=8),
            nn.SiLU(),
            nn.Conv1d(8, 16, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 30, 10),
        ),
    )


def batch(seed: int) -> torch.Tensor:
    return torch.randn(64, 8, 30, generator=torch.Generator().manual_seed(seed))


def error(hardware: memrix.Hardware, chips: int = 3) -> float:
    """Relative error of outputs for unseen inputs, over several chips."""
    model, total = network(), 0.0
    memrix.calibrate(model, [batch(1), batch(2)], hardware)
    with torch.no_grad():
        exact = model(batch(3))
        for seed in range(chips):
            output = memrix.program(model, hardware, seed=seed)(batch(3))
            total += float((output - exact).norm() / exact.norm())
    return total / chips


@each_tuning
def test_outputs_come_nearer_to_the_digital_network(hardware):
    assert error(hardware) < 0.97 * error(FIXED)


def test_converter_and_columns_together_beat_either():
    assert error(BOTH) < min(error(PER_LAYER), error(COLUMNS))


def test_every_layer_gets_a_converter_of_its_own_of_as_many_bits():
    model = network()
    memrix.calibrate(model, [batch(1)], PER_LAYER)
    chip = memrix.program(model, PER_LAYER)
    converters = [chip[position].memrix.array.crossbar.circuit.adc for position in (0, 2, 5)]
    assert {adc.bits for adc in converters} == {8}
    assert len({adc.step for adc in converters}) == 3


@each_tuning
def test_a_model_calibrated_for_another_chip_is_refused(hardware):
    model = network()
    memrix.calibrate(model, [batch(1)], FIXED)
    with pytest.raises(
        CalibrationError, match=r"no calibration samples, or too few: 0.*memrix\.calibrate.*same hardware"
    ):
        memrix.program(model, hardware)


def test_columns_are_not_fitted_to_a_handful_of_vectors():
    layer = nn.Linear(20, 4)
    memrix.calibrate(layer, [torch.randn(15, 20)], COLUMNS)
    with pytest.raises(CalibrationError, match=r"no calibration samples, or too few: \(the model\); .* at least 16"):
        memrix.program(layer, COLUMNS)


def test_calibration_for_a_chip_that_is_not_tuned_drops_old_calibration_samples():
    model = network()
    memrix.calibrate(model, [batch(1)], COLUMNS)
    memrix.calibrate(model, [batch(1)], FIXED)
    with pytest.raises(CalibrationError, match="no calibration samples"):
        memrix.program(model, COLUMNS)


@pytest.mark.parametrize("layers", [None, "5"])
@pytest.mark.parametrize("quantized", [False, True])
def test_calibration_samples_stay_with_the_model(layers, quantized):
    model = network()
    keys = set(model.state_dict())
    memrix.calibrate(model, [batch(1)], BOTH)
    assert set(model.state_dict()) == keys
    if quantized:
        memrix.quantize(model, BOTH)
    chip = memrix.program(model, BOTH, layers=layers)
    assert not any(name.endswith(SAMPLE) for name, _ in chip.named_buffers())
    assert not any(SAMPLE in key for network in (model, chip) for key in network.state_dict())
    assert hasattr(model[5].memrix, SAMPLE)
    memrix.program(model, BOTH, layers=layers)


def test_a_layer_keeps_at_most_512_calibration_samples():
    model = network()
    memrix.calibrate(model, [batch(1), batch(2)], BOTH)
    shapes = [tuple(getattr(model[position].memrix, SAMPLE).shape) for position in (0, 2, 5)]
    assert shapes == [(8, 512, 5), (1, 512, 8), (1, 128, 480)]


def test_a_tuned_chip_hands_its_state_to_another():
    hardware = BOTH.replace(noise="off")
    model = network()
    memrix.calibrate(model, [batch(1)], hardware)
    chip, other = memrix.program(model, hardware), memrix.program(model, hardware, seed=9)
    other.load_state_dict(chip.state_dict())
    assert torch.equal(other(batch(3)), chip(batch(3)))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_tuned_layers_work_in_another_precision(dtype):
    model = network()
    memrix.calibrate(model, [batch(1)], BOTH)
    before = memrix.program(copy.deepcopy(model).to(dtype), BOTH)
    after = memrix.program(model, BOTH).to(dtype)
    for chip in (before, after):
        output = chip(batch(3).to(dtype))
        assert output.dtype == dtype
        assert math.isfinite(float(output.detach().float().sum()))
    assert after[0].memrix.array.column_gain.dtype == torch.float32


def test_first_reading_of_a_tuned_chip_is_that_of_its_seed():
    model = network()
    memrix.calibrate(model, [batch(1)], BOTH)
    chip = memrix.program(model, BOTH)
    assert memrix.summary(chip).conversions == 0
    first = chip(batch(3))
    memrix.reseed(chip, read=0)
    assert torch.equal(chip(batch(3)), first)
