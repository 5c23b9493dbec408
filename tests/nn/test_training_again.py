"""What earlier training leaves behind, and what a model still lacks."""

import copy
import pickle

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import CalibrationError, ConversionError, SettingsError

THREE = memrix.Hardware.preset("ideal").replace(weight_bits=3)
EIGHT = THREE.replace(weight_bits=8)
Q = memrix.Quantization


def inputs(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))
    memrix.calibrate(model, [inputs(64, 16)], THREE)
    return model


def test_learned_steps_fit_the_bits_they_were_learned_for_alone():
    model = network()
    memrix.quantize(model, EIGHT, Q(learned_steps=True))
    with pytest.raises(ConversionError, match=r"learned for weight_bits=8, .* this hardware has 3"):
        memrix.program(model, THREE)
    assert "learned for weight_bits=8" in str(memrix.check(model, THREE))
    memrix.quantize(model, THREE, Q(learned_steps=True))
    fresh = network()
    memrix.quantize(fresh, THREE, Q(learned_steps=True))
    assert torch.equal(model(inputs(4, 16)), fresh(inputs(4, 16)))


def test_quantizing_again_leaves_nothing_of_the_training_before():
    model = network()
    memrix.quantize(model, THREE, Q(weight_noise=0.1, output_quantizers=True, learned_steps=True))
    memrix.quantize(model, THREE)
    plain = network()
    memrix.quantize(plain, THREE)
    assert set(model.state_dict()) == set(plain.state_dict())
    before = model[0].memrix.input_range.clone()
    assert torch.equal(model.train()(100 * inputs(4, 16)), plain.train()(100 * inputs(4, 16)))
    assert torch.equal(model[0].memrix.input_range, before)


@pytest.mark.parametrize("again", [(EIGHT, Q(learned_steps=True)), (EIGHT, Q()), (THREE, None)])
def test_a_learned_range_outlasts_the_steps_that_were_learned_with_it(again):
    model = network()
    memrix.quantize(model, THREE, Q(learned_steps=True))
    with torch.no_grad():
        model[0].memrix.learned_input_range.fill_(-0.75)
    memrix.quantize(model, *again)
    assert float(model[0].memrix.input_range) == 0.75


def test_learned_steps_can_be_resumed_from_a_state_dict():
    model = network()
    memrix.quantize(model, THREE, Q(learned_steps=True))
    with torch.no_grad():
        model[0].memrix.learned_weight_step.mul_(0.9)
    resumed = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))
    memrix.quantize(resumed, THREE, Q(learned_steps=True))
    with pytest.raises(CalibrationError, match="no activation range"):
        resumed.eval()(inputs(4, 16))
    resumed.train()
    resumed.load_state_dict(model.state_dict())
    assert torch.equal(resumed(inputs(4, 16)), model(inputs(4, 16)))


def test_learned_ranges_start_from_a_calibration_after_quantizing_too():
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))
    memrix.quantize(model, THREE, Q(learned_steps=True))
    model[0].memrix.input_range.fill_(1.0)
    assert not any(layer.calibrated for layer in memrix.check(model, THREE).layers)
    with pytest.raises(CalibrationError, match="no activation range: 0, 2"):
        memrix.program(model, THREE)
    optimized = dict(model.named_parameters())
    memrix.calibrate(model, [inputs(64, 16)], THREE)
    assert all(optimized[name] is parameter for name, parameter in model.named_parameters())
    assert all(layer.calibrated for layer in memrix.check(model, THREE).layers)
    assert model[0].memrix.learned_input_range == model[0].memrix.input_range
    model.train()(inputs(4, 16)).sum().backward()
    assert model[0].memrix.learned_input_range.grad.isfinite()
    assert memrix.program(model, THREE)(inputs(4, 16)).isfinite().all()


def test_a_calibration_leaves_ranges_as_they_were_learned():
    model = network()
    memrix.quantize(model, THREE, Q(learned_steps=True))
    with torch.no_grad():
        model[0].memrix.learned_input_range.mul_(0.5)
    before = model[0].memrix.learned_input_range.clone()
    memrix.calibrate(model, [inputs(64, 16)], THREE)
    assert torch.equal(model[0].memrix.learned_input_range, before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_learned_steps_keep_their_precision(dtype):
    model = network()
    memrix.quantize(model, THREE, Q(learned_steps=True))
    model.to(dtype)
    assert model[0].memrix.learned_weight_step.dtype == torch.float32
    assert model(inputs(4, 16).to(dtype)).dtype == dtype


@pytest.mark.parametrize("observer", ["min-max", "moving-average"])
def test_an_overflow_in_training_does_not_spoil_a_range(observer):
    model = network()
    memrix.quantize(model, THREE, Q(observer=observer))
    bad = inputs(4, 16)
    bad[0, 0] = torch.inf
    before = model[0].memrix.input_range.clone()
    model.train()(bad)
    assert torch.equal(model[0].memrix.input_range, before)


def test_a_frozen_layer_has_a_chip_for_every_step_too():
    model = network()
    memrix.quantize(model, THREE.replace(programming="reset-set"), Q(device_resampling=True))
    model[0].requires_grad_(False)
    model.train()
    for step in range(3):
        model(inputs(4, 16, seed=step)).sum().backward()
    assert model[0].memrix.training_forward._chips == 3


def test_hooks_run_once_with_device_resampling():
    model = network()
    memrix.quantize(model, THREE, Q(device_resampling=True))
    calls = []
    model[0].register_forward_hook(lambda *_: calls.append(1))
    model.train()(inputs(4, 16))
    assert len(calls) == 1


def test_resampled_devices_of_a_recurrent_layer_have_converters_of_their_own():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.LSTM(6, 5)
    tuned = memrix.Hardware.preset("tuned")
    memrix.calibrate(model, [inputs(30, 3, 6)], tuned)
    memrix.quantize(model, tuned, Q(device_resampling=True))
    model.train()(inputs(7, 3, 6))
    chip = model.hh_l0.memrix.training_forward._chip
    assert chip.memrix.array.crossbar.circuit.adc.gain != 1.0


def test_noise_of_weights_and_of_chips_exclude_each_other():
    with pytest.raises(SettingsError, match="give one of them"):
        Q(device_resampling=True, weight_noise=0.1)


def test_a_chip_does_not_move_its_ranges():
    model = network()
    memrix.quantize(model, THREE, Q(output_quantizers=True))
    memrix.calibrate(model, [inputs(64, 16)], THREE)
    chip = memrix.program(model, THREE).train()
    before = copy.deepcopy(chip.state_dict())
    chip(50 * inputs(4, 16))
    assert all(torch.equal(value, before[name]) for name, value in chip.state_dict().items())


def test_what_is_missing_is_known_before_a_cell_is_programmed():
    tuned = memrix.Hardware.preset("tuned")
    model = network()
    memrix.calibrate(model, [inputs(8, 16)], tuned)
    assert "without the calibration samples" in str(memrix.check(model, tuned))
    with pytest.raises(CalibrationError, match="at least 16 vectors"):
        memrix.program(model, tuned)
    memrix.quantize(model, THREE, Q(observer="fixed", output_quantizers=True))
    assert "not calibrated yet" in str(memrix.check(model, THREE))
    with pytest.raises(CalibrationError, match="no activation range"):
        memrix.program(model, THREE)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.Linear(16, 0), "is empty"),
        (nn.Linear(0, 4), "is empty"),
        (nn.Linear(4, 4, device="meta"), "meta device"),
    ],
)
def test_weights_that_hold_nothing_are_a_problem_to_check(layer, said):
    model = nn.Sequential(layer)
    assert said in str(memrix.check(model, THREE, layers=["0"]))
    with pytest.raises(ConversionError, match=said):
        memrix.calibrate(model, [inputs(2, 4)], THREE, layers=["0"])


def test_opened_layers_can_be_pickled():
    model = nn.Sequential(nn.LSTM(4, 3))
    memrix.calibrate(model, [inputs(5, 2, 4)], THREE)
    copied = pickle.loads(pickle.dumps(model))
    assert torch.equal(copied(inputs(5, 2, 4))[0], model(inputs(5, 2, 4))[0])


def test_a_batch_of_no_sequences_is_one():
    model = nn.LSTM(4, 3)
    memrix.calibrate(model, [inputs(5, 2, 4)], THREE)
    output, _ = model(inputs(5, 0, 4))
    assert output.shape == (5, 0, 3)
