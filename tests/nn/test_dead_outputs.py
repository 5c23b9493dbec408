"""Outputs whose weights are all 0 (pruned filters, fresh adapters, padding rows) are exactly their bias."""

import copy

import pytest
import torch
from torch import nn

import memrix
from memrix.crossbar import best_converter
from memrix.nn.programming import integers_of
from tests.nn.ideal import seeded

PRESETS = memrix.Hardware.presets()
DEAD = [1, 3]
PHYSICAL = memrix.Hardware.preset("physical")


def x(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


LAYERS = {
    "Linear": (lambda: nn.Linear(12, 6), x(40, 12), 0, -1),
    "Conv2d": (lambda: nn.Conv2d(3, 6, 3), x(4, 3, 8, 8), 0, 1),
    "grouped Conv1d": (lambda: nn.Conv1d(4, 6, 3, groups=2), x(4, 4, 20), 0, 1),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 3), x(4, 4, 20), 1, 1),
}


def pruned(make, axis: int) -> nn.Sequential:
    layer = seeded(0, make)
    with torch.no_grad():
        layer.weight.index_fill_(axis, torch.tensor(DEAD), 0.0)
    return nn.Sequential(layer)


def outputs(values: torch.Tensor, axis: int) -> torch.Tensor:
    return values.detach().movedim(axis, -1)[..., DEAD]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", LAYERS)
def test_dead_outputs_of_a_chip_are_their_bias(kind, preset):
    make, values, weight_axis, axis = LAYERS[kind]
    # One scale a tensor gives the cells of a dead row the scale of the others, and their spread with it.
    hardware = memrix.Hardware.preset(preset).replace(weight_scale="per-output-channel")
    model = pruned(make, weight_axis)
    memrix.calibrate(model, [values], hardware)
    chip = memrix.program(model, hardware)
    expected = model[0].bias.detach()[DEAD]
    assert torch.equal(outputs(chip(values), axis), expected.expand_as(outputs(chip(values), axis)))
    assert bool(chip(values).isfinite().all())


@pytest.mark.parametrize("preset", PRESETS)
def test_a_layer_of_zeros_gives_its_bias_with_one_scale_too(preset):
    hardware = memrix.Hardware.preset(preset).replace(weight_scale="per-tensor")
    model = nn.Sequential(seeded(0, lambda: nn.Linear(12, 6)))
    nn.init.zeros_(model[0].weight)
    memrix.calibrate(model, [x(40, 12)], hardware)
    chip = memrix.program(model, hardware)
    assert torch.equal(chip(x(40, 12)), model[0].bias.detach().expand(40, 6))


WAYS = [
    memrix.Quantization(weight_noise=0.1),
    memrix.Quantization(learned_steps=True),
    memrix.Quantization(learned_steps=True, weight_noise=0.01),
    memrix.Quantization(device_resampling=True),
]


@pytest.mark.parametrize("quantization", WAYS, ids=["noise", "learned", "learned and noise", "device resampling"])
@pytest.mark.parametrize("weight_range", ["abs-max", "mean-square-error"])
def test_dead_outputs_in_training_are_their_bias(quantization, weight_range):
    hardware = PHYSICAL.replace(weight_range=weight_range)
    model = pruned(lambda: nn.Linear(12, 6), 0)
    memrix.calibrate(model, [x(40, 12)], hardware)
    memrix.quantize(model, hardware, quantization)
    output = model.train()(x(40, 12))
    assert torch.equal(outputs(output, -1), model[0].bias.detach()[DEAD].expand(40, 2))
    output.square().sum().backward()
    assert bool(model[0].weight.grad.isfinite().all())
    assert bool(model[0].weight.grad[DEAD].any())


@pytest.mark.parametrize("quantization", WAYS, ids=["noise", "learned", "learned and noise", "device resampling"])
def test_an_adapter_that_starts_at_zero_learns(quantization):
    target = seeded(1, lambda: torch.randn(12, 6))
    model = nn.Sequential(nn.Linear(12, 6, bias=False))
    nn.init.zeros_(model[0].weight)
    hardware = PHYSICAL.replace(weight_bits=8)
    memrix.calibrate(model, [x(200, 12)], hardware)
    memrix.quantize(model, hardware, quantization)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(200):
            loss = (model.train()(x(200, 12)) - x(200, 12) @ target).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert float(loss.detach()) < 0.5 * float((x(200, 12) @ target).square().mean())


def test_learned_steps_of_rows_that_are_no_longer_zero_start_from_their_weights():
    model = pruned(lambda: nn.Linear(12, 6), 0)
    memrix.calibrate(model, [x(40, 12)], PHYSICAL)
    memrix.quantize(model, PHYSICAL, memrix.Quantization(learned_steps=True))
    steps = model[0].memrix.learned_weight_step
    before = steps.detach().clone()
    assert before[DEAD].tolist() == [0.0, 0.0]
    with torch.no_grad():
        model[0].weight[1] = 0.7
    model.train()(x(40, 12))
    assert float(steps[1]) == pytest.approx(0.1)  # 0.7 over 7, the largest integer of 4 bits
    assert float(steps[3]) == 0.0
    assert torch.equal(steps.detach()[[0, 2, 4, 5]], before[[0, 2, 4, 5]])


def test_dead_outputs_have_no_say_in_the_converter_of_a_layer():
    hardware = memrix.Hardware.preset("physical").replace(**{"adc.per_layer": True})
    alone = nn.Sequential(seeded(0, lambda: nn.Linear(64, 4, bias=False)))
    many = nn.Sequential(nn.Linear(64, 64, bias=False))
    with torch.no_grad():
        many[0].weight.zero_()
        many[0].weight[:4] = alone[0].weight
    values = x(200, 64)
    memrix.calibrate(many, [values], hardware)
    chip = memrix.program(many, hardware)
    array = chip[0].memrix.array
    codes = hardware.dac.codes(values, chip[0].memrix.activation_step)[None]
    _, integers = integers_of(chip[0])
    found = best_converter(array.crossbar, codes, integers.ne(0).any(1))
    assert array.crossbar.circuit.adc == found
    live = copy.deepcopy(array.crossbar)
    columns = torch.arange(live.difference.shape[-1]) % 64 >= 4
    live.difference[..., columns] = live.difference[..., :1]  # any cells at all
    assert best_converter(live, codes, integers.ne(0).any(1)) == found


@pytest.mark.parametrize("magnitude", [1e-30, 1e-15, 1e25])
def test_ranges_are_relative_to_nothing_but_themselves(magnitude):
    """Activations and weights of any magnitude are quantized as those near 1 are."""
    hardware = memrix.Hardware.preset("ideal").replace(weight_bits=8)
    model = nn.Sequential(seeded(0, lambda: nn.Linear(12, 6, bias=False)))
    small = copy.deepcopy(model)
    with torch.no_grad():
        small[0].weight.mul_(1 / magnitude)
    memrix.calibrate(model, [x(40, 12)], hardware)
    memrix.calibrate(small, [magnitude * x(40, 12)], hardware)
    for learned in (False, True):
        fake_quantized = [copy.deepcopy(network) for network in (model, small)]
        for each in fake_quantized:
            memrix.quantize(each, hardware, memrix.Quantization(learned_steps=learned))
        one, other = fake_quantized[0].eval()(x(40, 12)), fake_quantized[1].eval()(magnitude * x(40, 12))
        torch.testing.assert_close(other, one, rtol=1e-3, atol=2e-2)
        assert float(other.detach().abs().max()) > 0.5
    chips = memrix.program(model, hardware)(x(40, 12)), memrix.program(small, hardware)(magnitude * x(40, 12))
    torch.testing.assert_close(chips[1], chips[0], rtol=1e-3, atol=2e-2)
