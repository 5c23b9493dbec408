"""Quantization-aware training of layers, and training on chips."""

import copy

import pytest
import torch
from torch import nn

import memrix
from memrix._support.streams import Stream
from memrix.crossbar import ResetRamp
from memrix.crossbar.protocols.resampled import as_population
from memrix.errors import CalibrationError, ConversionError, SettingsError

HARDWARE = memrix.Hardware.preset("physical").replace(weight_bits=3)


def inputs(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 4))


def trained(
    quantization: memrix.Quantization, hardware: memrix.Hardware = HARDWARE, steps: int = 60
) -> nn.Sequential:
    """A network that has learned another one's function for some steps."""
    model, teacher = network(), copy.deepcopy(network())
    memrix.calibrate(model, [inputs(64, 12)], hardware)
    memrix.quantize(model, hardware, quantization)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(steps):
        x = inputs(64, 12, seed=step)
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), teacher(x)).backward()
        optimizer.step()
    return model.eval()


def error(model: nn.Module) -> float:
    x = inputs(256, 12, seed=1000)
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(x), network()(x)))


def test_observers_find_ranges_in_training_mode_alone():
    model = network()
    memrix.quantize(model, HARDWARE, memrix.Quantization())
    with pytest.raises(CalibrationError, match=r"layer '0' has no activation range"):
        model.eval()(inputs(4, 12))
    model.train()(torch.full((1, 12), 2.0))
    model.eval()(torch.full((1, 12), 7.0))
    assert model[0].memrix.input_range == 2.0


def test_without_a_quantization_ranges_stay_as_calibrated():
    model = network()
    memrix.calibrate(model, [inputs(64, 12)], HARDWARE)
    memrix.quantize(model, HARDWARE)
    before = model[0].memrix.input_range.clone()
    model.train()(100 * inputs(4, 12))
    assert torch.equal(model[0].memrix.input_range, before)


@pytest.mark.parametrize(
    "quantization",
    [
        memrix.Quantization(),
        memrix.Quantization(observer="mean-square-error", output_quantizers=True),
        memrix.Quantization(learned_steps=True),
        memrix.Quantization(weight_noise=0.02),
        memrix.Quantization(device_resampling=True),
    ],
    ids=lambda quantization: repr(quantization)[13:40],
)
def test_training_wins_back_what_ternary_weights_cost(quantization):
    hardware = HARDWARE.replace(weight_bits=1.5)
    untrained = network()
    memrix.calibrate(untrained, [inputs(64, 12)], hardware)
    memrix.quantize(untrained, hardware)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # noise and chips follow torch's generator
        assert error(trained(quantization, hardware, steps=80)) < 0.75 * error(untrained.eval())


def test_a_trained_network_goes_onto_a_chip_with_its_own_ranges_and_steps():
    model = trained(memrix.Quantization(learned_steps=True, output_quantizers=True))
    chip = memrix.program(model, memrix.Hardware.preset("ideal").replace(weight_bits=3))
    x = inputs(64, 12, seed=7)
    with torch.no_grad():
        # Where a result lies on the edge of two output codes, rounding decides: one code in 128.
        torch.testing.assert_close(chip(x), model(x), rtol=0, atol=1.1 * float(model[2].memrix.output_range) / 128)
    assert torch.equal(chip[0].memrix.learned_weight_step, model[0].memrix.learned_weight_step)


def test_learned_steps_without_calibration_start_from_the_first_batch_that_an_observer_sees():
    model, x = network(), inputs(4, 12)
    memrix.quantize(model, HARDWARE, memrix.Quantization(learned_steps=True))
    with pytest.raises(CalibrationError, match="no activation range"):
        model.eval()(x)
    model.train()(x)
    assert model[0].memrix.learned_input_range == x.abs().max()
    model(2 * x)  # from then on they are trained
    assert model[0].memrix.learned_input_range == x.abs().max()


def test_learned_steps_of_fixed_ranges_need_a_calibration():
    model = network()
    memrix.quantize(model, HARDWARE, memrix.Quantization(learned_steps=True, observer="fixed"))
    with pytest.raises(CalibrationError, match=r"run memrix.calibrate.*, or train with an observer"):
        model.train()(inputs(4, 12))


def test_state_dict_carries_ranges_steps_and_epoch():
    quantization = memrix.Quantization(learned_steps=True, output_quantizers=True, weight_noise=0.1)
    model = trained(quantization)
    memrix.set_epoch(model, 3)
    other = network()
    memrix.calibrate(other, [inputs(8, 12, seed=5)], HARDWARE)
    memrix.quantize(other, HARDWARE, quantization)
    other.load_state_dict(model.state_dict())
    x = inputs(16, 12)
    assert torch.equal(other.eval()(x), model(x))
    assert other[0].memrix.epoch == 3


def test_weight_noise_starts_with_its_epoch_and_is_as_large_as_asked():
    model = nn.Sequential(nn.Linear(400, 300, bias=False))
    memrix.calibrate(model, [torch.eye(400)], HARDWARE)
    memrix.quantize(model, HARDWARE, memrix.Quantization(observer="fixed", weight_noise=0.05, noise_start_epoch=2))
    model.train()
    quiet = model[0].quantized_weight()
    assert torch.equal(model[0].quantized_weight(), quiet)
    memrix.set_epoch(model, 2)
    noise = model[0].quantized_weight() - quiet
    # Planes of 3 bits are worth 1 and 2 steps: 0.05 * sqrt(1 + 4) of a step.
    step = model[0].memrix.weight_step(model[0].weight)[:, None]
    assert float((noise / step).detach().std()) == pytest.approx(0.05 * 5**0.5, rel=0.02)
    assert not torch.equal(model[0].quantized_weight() - quiet, noise)
    assert torch.equal(model.eval()[0].quantized_weight(), quiet)


def test_noise_follows_the_default_generator_of_torch():
    runs = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            runs.append(trained(memrix.Quantization(weight_noise=0.1), steps=2))
    assert torch.equal(runs[0][0].weight, runs[1][0].weight)
    assert not torch.equal(runs[0][0].weight, runs[2][0].weight)


def test_a_step_runs_on_one_chip_and_the_next_on_another():
    model = network()
    memrix.calibrate(model, [inputs(64, 12)], HARDWARE)
    memrix.quantize(model, HARDWARE.replace(noise="off"), memrix.Quantization(device_resampling=True))
    x = inputs(4, 12)
    model.train()
    first, second = model(x), model(x)
    assert not torch.equal(first, second)
    assert {model[place].memrix.training_forward._chips for place in (0, 2)} == {2}
    model.eval()
    assert torch.equal(model(x), model(x))


def test_a_recurrent_layer_is_one_chip_in_a_step():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.LSTM(6, 5)
    memrix.calibrate(model, [inputs(7, 3, 6)], HARDWARE)
    memrix.quantize(model, HARDWARE, memrix.Quantization(device_resampling=True))
    model.train()
    for step in range(3):
        output, _ = model(inputs(7, 3, 6, seed=step))
        output.square().sum().backward()
    assert {part.memrix.training_forward._chips for part in (model.ih_l0, model.hh_l0)} == {3}


def test_cells_of_a_ramp_are_drawn_from_a_population_that_was_ramped():
    levels = torch.tensor([0.0, 0.3, 1.0]).repeat_interleave(20_000)
    streams = {name: Stream.of(0, name) for name in ("chip", "programming")}
    parameters = HARDWARE.parameters
    ramped = ResetRamp(0.02).program(levels, parameters, **streams).states.view(3, -1)
    drawn = as_population(ResetRamp(0.02)).program(levels, parameters, **streams).states.view(3, -1)
    torch.testing.assert_close(drawn.mean(1), ramped.mean(1), rtol=0, atol=0.002)
    # Not the deviation: a few cells in 10,000 that cannot reach OFF make most of it.
    spreads = [cells[[0, 2]].quantile(torch.tensor([0.02, 0.98]), dim=1).diff(dim=0) for cells in (drawn, ramped)]
    torch.testing.assert_close(*spreads, rtol=0.1, atol=0)


def test_epochs_are_told_to_quantized_models():
    with pytest.raises(ConversionError, match="no layer of this model is quantized"):
        memrix.set_epoch(network(), 1)
    model = network()
    memrix.quantize(model, HARDWARE)
    with pytest.raises(SettingsError, match="epoch must be an integer from 0"):
        memrix.set_epoch(model, -1)


def test_output_ranges_come_from_calibration_too():
    model = network()
    memrix.quantize(model, HARDWARE, memrix.Quantization(observer="fixed", output_quantizers=True))
    memrix.calibrate(model, [inputs(64, 12)], HARDWARE)
    output = model.eval()(inputs(16, 12))
    codes = output / (model[2].memrix.output_range / 128)
    torch.testing.assert_close(codes, codes.round(), rtol=0, atol=1e-3)


class TestLearnedStepsWithoutCalibration:
    X = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))

    def quantized(self, observer: str = "moving-average") -> nn.Module:
        model = nn.Sequential(nn.Linear(8, 8))
        memrix.quantize(model, HARDWARE, memrix.Quantization(learned_steps=True, observer=observer))
        return model.train()

    def test_they_start_from_what_the_observer_finds_in_the_first_batch(self):
        model = self.quantized()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        output = model(self.X)
        assert float(model[0].memrix.learned_input_range) == float(self.X.abs().max())
        output.square().sum().backward()
        optimizer.step()
        learned = float(model[0].memrix.learned_input_range)
        assert learned != float(self.X.abs().max())
        model(2 * self.X)
        assert float(model[0].memrix.learned_input_range) == learned
        memrix.program(model.eval(), HARDWARE)(self.X)

    def test_a_layer_that_is_called_twice_in_the_first_step_has_gradients(self):
        layer = nn.Linear(8, 8)
        model = nn.Sequential(layer, layer)
        memrix.quantize(model, HARDWARE, memrix.Quantization(learned_steps=True))
        model.train()(self.X).sum().backward()
        assert layer.memrix.learned_input_range.grad is not None

    def test_the_advice_is_what_would_help(self):
        with pytest.raises(CalibrationError, match=r"run memrix\.calibrate.*, or train with an observer"):
            self.quantized("fixed")(self.X)
        with pytest.raises(CalibrationError, match=r"run memrix\.calibrate.*, or train a step first"):
            self.quantized().eval()(self.X)
        model = nn.Sequential(nn.Linear(8, 8))
        memrix.quantize(model, HARDWARE)
        with pytest.raises(CalibrationError, match=r"or train with an observer"):
            model(self.X)

    def test_processes_that_train_together_calibrate_first(self, monkeypatch):
        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
        with pytest.raises(CalibrationError, match=r"processes that train together.*calibrate"):
            self.quantized()(self.X)


def test_learned_ranges_that_saw_nothing_but_zeros_start_from_the_first_batch_with_a_value():
    model = nn.Linear(6, 4)
    with pytest.warns(UserWarning, match="nothing but zeros"):
        memrix.calibrate(model, [torch.zeros(3, 6)], HARDWARE)
    memrix.quantize(model, HARDWARE, memrix.Quantization(learned_steps=True))
    model.train()
    model(torch.zeros(3, 6)).sum().backward()
    batch = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    output = model(batch)
    output.square().sum().backward()
    assert float(model.memrix.learned_input_range) == float(batch.abs().max())
    assert output.std(0).min() > 0
    assert model.weight.grad.abs().min() > 0
