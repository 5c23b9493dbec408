"""Gradients of a chip against finite differences of its noiseless mean, and training with them."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import memrix
from memrix.nn import CrossbarLayer
from tests.nn.ideal import seeded

# Cells scatter as reset-set leaves them. A fine ADC of a wide range and small steps of the DAC make the mean smooth.
SMOOTH = memrix.Hardware(weight_bits=3, noise="off").replace(
    **{"dac.bits": 14, "adc.precision_bits": 16, "adc.range_bits": 8, "tile.rows": 16}
)
LAYERS = {
    "Linear": (lambda: nn.Linear(20, 6), (4, 20)),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 9)),
    "Conv2d": (lambda: nn.Conv2d(3, 4, 3, padding="same", padding_mode="circular"), (2, 3, 5, 4)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1), (2, 4, 3, 3)),
}
every_layer = pytest.mark.parametrize("kind", LAYERS)
both_dacs = pytest.mark.parametrize("levels", ["gain-corrected", "linearizing"])
both_corrections = pytest.mark.parametrize("corrected", [False, True])


def case(kind: str, **changes: Any) -> tuple[CrossbarLayer, nn.Module, Tensor]:
    """A layer on a chip, its fake-quantized layer and an input that spans its range."""
    make, shape = LAYERS[kind]
    layer, x = seeded(0, lambda: (make(), torch.rand(shape) * 1.8 - 0.9))
    hardware = SMOOTH.replace(**changes)
    memrix.calibrate(layer, [x.new_ones(shape), *[x] * 4], hardware, percentile=100)
    chip, fake_quantized = memrix.program(layer, hardware), copy.deepcopy(layer)
    memrix.quantize(fake_quantized, hardware)
    assert isinstance(chip, CrossbarLayer)
    return chip, fake_quantized, x


def gradients(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of a weighted sum of the outputs: with respect to input, weight and bias."""
    x = x.clone().requires_grad_()
    output = layer(x)
    layer.zero_grad()
    (output * probe(output)).sum().backward()
    return x.grad, layer.weight.grad, layer.bias.grad


def probe(output: Tensor) -> Tensor:
    return torch.randn(output.shape, generator=torch.Generator().manual_seed(3))


@every_layer
@both_dacs
@both_corrections
def test_gradient_with_respect_to_inputs_is_that_of_the_mean_reading(kind, levels, corrected):
    chip, _, x = case(kind, column_calibration=corrected, **{"dac.levels": levels})
    gradient = gradients(chip, x)[0].flatten()
    # 400 codes of 16,385: a step is a 400th of the difference, and the current is nearly straight over it.
    width = 400 * float(chip.memrix.activation_step)
    differences = torch.empty_like(gradient)
    with torch.no_grad():
        for position in range(x.numel()):
            ends = []
            for sign in (1, -1):
                moved = x.clone()
                moved.view(-1)[position] += sign * width
                output = chip(moved)
                ends.append(float((output * probe(output)).double().sum()))
            differences[position] = (ends[0] - ends[1]) / (2 * width)
    torch.testing.assert_close(gradient, differences, rtol=0.005, atol=0.005 * float(differences.abs().max()))


@every_layer
def test_cells_differ_from_the_weights_that_were_meant(kind):
    """Without it the test above could not tell the gradient of the chip from that of its fake-quantized layer."""
    chip, fake_quantized, x = case(kind)
    on_chip, on_quantized = gradients(chip, x)[0], gradients(fake_quantized, x)[0]
    assert (on_chip - on_quantized).norm() > 0.05 * on_quantized.norm()


@every_layer
@both_dacs
def test_clipped_inputs_get_no_gradient(kind, levels):
    chip, _, x = case(kind, **{"dac.levels": levels})
    x = x.clone()
    x.view(-1)[::3] = torch.tensor([1.5, -1.5]).repeat(x.numel())[: len(x.view(-1)[::3])]
    gradient = gradients(chip, x)[0].view(-1)
    assert torch.all(gradient[::3] == 0)
    assert torch.all(gradient[1::3] != 0)


@every_layer
def test_gradient_with_respect_to_the_weight_is_that_of_the_fake_quantized_layer(kind):
    chip, fake_quantized, x = case(kind, **{"dac.levels": "linearizing"})
    torch.testing.assert_close(gradients(chip, x)[1], gradients(fake_quantized, x)[1])


@every_layer
def test_gradient_with_respect_to_the_weight_sees_the_currents_of_equal_voltage_steps(kind):
    chip, fake_quantized, x = case(kind)
    on_chip, on_quantized = gradients(chip, x)[1], gradients(fake_quantized, x)[1]
    # The current departs from a straight line by up to 8 % of its slope.
    assert 0.001 < (on_chip - on_quantized).norm() / on_quantized.norm() < 0.1


@every_layer
def test_gradient_with_respect_to_the_bias_is_exact(kind):
    chip, fake_quantized, x = case(kind, noise="physical", **{"adc.precision_bits": 4, "adc.range_bits": 4})
    assert torch.equal(gradients(chip, x)[2], gradients(fake_quantized, x)[2])


def test_embedding_hands_the_gradient_to_the_rows_that_were_read():
    layer = nn.Embedding(5, 3, sparse=True)
    memrix.calibrate(layer, [torch.arange(5)], SMOOTH, layers="")
    chip = memrix.program(layer, SMOOTH, layers="")
    chip(torch.tensor([1, 1, 4])).sum().backward()
    assert torch.equal(chip.weight.grad[:, 0], torch.tensor([0.0, 2.0, 0.0, 0.0, 1.0]))


@pytest.mark.parametrize("bits", [8, 12])
def test_inputs_of_low_precision_reach_the_last_code(bits):
    layer, x = seeded(0, lambda: (nn.Linear(20, 6).bfloat16(), torch.randn(64, 20).bfloat16()))
    hardware = SMOOTH.replace(**{"dac.bits": bits})
    memrix.calibrate(layer, [x * 0.37], hardware)
    x = (x * 3).requires_grad_()
    memrix.program(layer, hardware)(x).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_a_network_learns_around_a_chip_that_stays_as_it_is():
    """The chip holds random features with a scatter of their own; biases and a digital last layer follow it."""
    inputs = torch.rand(256, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    targets = (inputs[:, :1] * inputs[:, 1:2] + inputs[:, 2:].square()).detach()
    network = seeded(
        0, lambda: nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    )
    chips = {"0": memrix.Hardware(), "2": memrix.Hardware()}
    memrix.calibrate(network, [inputs], chips)
    chip = memrix.program(network, chips)
    trained = [chip[0].bias, chip[2].bias, *chip[4].parameters()]
    for parameter in chip.parameters():
        parameter.requires_grad_(any(parameter is each for each in trained))
    cells = chip[2].memrix.array.crossbar.difference.clone()
    optimizer = torch.optim.Adam(trained, lr=0.03)
    losses = []
    for _ in range(200):
        loss = nn.functional.mse_loss(chip(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert torch.equal(chip[2].memrix.array.crossbar.difference, cells)
    # The mean of the targets alone would leave their variance.
    assert sum(losses[-10:]) / 10 < 0.2 * float(targets.var())


@pytest.fixture
def _every_warning():
    """Those too that torch gives once in a process."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


@pytest.mark.usefixtures("_every_warning")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.LSTMCell])
def test_recurrent_layers_have_gradients_without_a_warning(kind):
    layer, x = seeded(0, lambda: (kind(5, 4), torch.randn(3, 2, 5)))
    x = x if isinstance(layer, nn.RNNBase) else x[0]
    state = torch.ones(2, 4)  # a cell that is called once sees no other than the one it is given
    memrix.calibrate(layer, [x if isinstance(layer, nn.RNNBase) else (x, (state, state))], SMOOTH)
    chip = memrix.program(layer, SMOOTH)
    x.requires_grad_()
    chip(x)[0].sum().backward()
    assert float(x.grad.abs().sum()) > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layer", [nn.Linear(6, 4), nn.Conv1d(6, 4, 1), nn.ConvTranspose1d(6, 4, 1)])
def test_inputs_of_another_precision_than_the_weights_are_read_with_a_gradient_as_they_are_without(layer, dtype):
    x = torch.randn(6, 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    hardware = memrix.Hardware.preset("physical").replace(noise="off")
    memrix.calibrate(layer, [x.float()], hardware)
    chip = memrix.program(layer, hardware)
    with torch.no_grad():
        expected = chip(x)
    output = chip(x.requires_grad_())
    output.sum().backward()
    assert output.dtype == x.grad.dtype == dtype
    assert torch.equal(output, expected)
    assert x.grad.any()
