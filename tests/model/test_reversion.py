"""A chip can be turned back into the torch model that it was, with the weights that its cells hold."""

import copy
import itertools
import types

import pytest
import torch
from torch import nn

import memrix
from memrix.crossbar import ADC, DAC
from memrix.errors import ConversionError
from memrix.nn.state import state_of
from tests.layer_examples import EXAMPLES, made, numbers

IDEAL = memrix.Hardware.preset("ideal").replace(weight_bits=4)
QUIET = memrix.Hardware.preset("tuned").replace(noise="off")
# Converters that are finer than the errors of the cells.
FINE = {"dac": DAC(bits=13, levels="linearizing"), "adc": ADC(precision_bits=12, range_bits=6)}


def quantized_weights(model: nn.Module, **options) -> dict[str, torch.Tensor]:
    """The parameters of a model with every weight as the fake-quantized layer has it."""
    quantized = copy.deepcopy(model)
    memrix.quantize(quantized, IDEAL, **options)
    for module in quantized.modules():
        if (state := state_of(module)) is not None and state.hardware is not None:
            with torch.no_grad():
                module.weight.copy_(module.quantized_weight())
    return quantized.state_dict()


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_layer_of_an_ideal_chip_is_the_fake_quantized_one(name):
    example = EXAMPLES[name]
    if isinstance(example.kind, str):
        pytest.importorskip("transformers")
    original = made(example)
    model = copy.deepcopy(original)
    memrix.calibrate(model, [example.inputs], IDEAL, layers=example.layers)
    chip = memrix.program(model, IDEAL, layers=example.layers)
    chip_before = {key: value.clone() for key, value in chip.state_dict().items()}
    digital = memrix.to_digital(chip)
    kinds = [(path, type(module)) for path, module in original.named_modules()]
    assert [(path, type(module)) for path, module in digital.named_modules()] == kinds
    fresh = made(example, seed=1)
    fresh.load_state_dict(digital.state_dict(), strict=True)
    assert torch.equal(fresh(*example.inputs), digital(*example.inputs))
    expected = quantized_weights(model, layers=example.layers)
    changed = 0
    for key, value in digital.state_dict().items():
        torch.testing.assert_close(value, expected[key], rtol=1e-6, atol=1e-6)
        changed += not torch.equal(value, original.state_dict()[key])
    assert changed
    assert all(torch.equal(value, chip_before[key]) for key, value in chip.state_dict().items())


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(20, 8), nn.Linear(8, 20, bias=False)
        self.head.weight = self.table.weight

    def forward(self, x):
        return self.head(self.table(x))


def test_a_tied_weight_is_the_cells_where_the_chip_reads_cells():
    model = Tied().eval()
    x = torch.arange(20).view(4, 5)
    memrix.calibrate(model, [x], IDEAL)
    digital = memrix.to_digital(memrix.program(model, IDEAL))
    assert torch.equal(digital.table.weight, model.table.weight)
    assert not torch.equal(digital.head.weight, digital.table.weight)
    memrix.quantize(model, IDEAL)
    torch.testing.assert_close(digital.head.weight, model.head.quantized_weight(), rtol=1e-6, atol=1e-6)


def test_rows_of_one_parameter_stay_rows_of_one():
    model = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x = numbers(6, 5, 8)
    memrix.calibrate(model, [(x, x, x)], IDEAL)
    digital = memrix.to_digital(memrix.program(model, IDEAL))
    assert [name for name, _ in digital.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert type(digital) is nn.MultiheadAttention
    assert list(digital._modules) == ["out_proj"]


def signal_to_error(expected, got):
    expected, got = expected.detach(), got.detach()
    return float(10 * torch.log10(expected.square().sum() / (got - expected).square().sum()))


@pytest.mark.parametrize("kind", [nn.Linear, nn.Conv1d])
def test_weights_are_those_that_the_cells_hold_and_offsets_go_into_the_bias(kind):
    torch.manual_seed(0)
    layer = nn.Linear(40, 30) if kind is nn.Linear else nn.Conv1d(8, 12, 3)
    x = numbers(600, 40) if kind is nn.Linear else numbers(40, 8, 20)
    hardware = QUIET.replace(weight_bits=4, **FINE)
    model = nn.Sequential(layer).eval()
    memrix.calibrate(model, [x], hardware, percentile=100)
    chip = memrix.program(model, hardware, seed=1)
    assert chip[0].memrix.programmed.columns_calibrated
    digital = memrix.to_digital(chip)
    output = chip(x)
    meant = memrix.to_digital(memrix.program(model, IDEAL))(x)
    assert signal_to_error(output, digital(x)) > signal_to_error(output, meant) + 20
    bias = digital[0].bias.detach()
    assert not torch.equal(bias, layer.bias)
    zero = chip(torch.zeros_like(x))
    moved = bias if kind is nn.Linear else bias[:, None]
    torch.testing.assert_close(zero, moved.expand_as(zero), rtol=1e-5, atol=1e-5)


def test_nothing_of_memrix_is_left_and_the_model_can_be_programmed_again():
    model = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Linear(8, 4)).eval()
    x = numbers(3, 5, 8)
    memrix.calibrate(model, [x], IDEAL)
    chip = memrix.program(model, {"0.*": IDEAL})
    digital = memrix.to_digital(chip)
    assert not any(state_of(module) for module in digital.modules())
    assert not digital._forward_hooks
    assert not digital._forward_pre_hooks
    assert digital[0].activation_relu_or_gelu == 1
    assert "memrix" not in repr(digital).lower()
    memrix.calibrate(digital, [x], IDEAL)
    memrix.program(digital, IDEAL)(x)


def test_layers_that_are_only_quantized_get_their_quantized_weights():
    model = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4)).eval()
    x = numbers(9, 6)
    memrix.calibrate(model, [x], IDEAL)
    memrix.quantize(model, IDEAL)
    expected = model[1].quantized_weight().detach()
    digital = memrix.to_digital(memrix.program(model, {"0": IDEAL}))
    assert type(digital[1]) is nn.Linear
    assert torch.equal(digital[1].weight, expected)


def test_in_place_the_chip_itself_becomes_digital():
    model = nn.Sequential(nn.Linear(6, 5)).eval()
    memrix.calibrate(model, [numbers(9, 6)], IDEAL)
    chip = memrix.program(model, IDEAL)
    expected = memrix.to_digital(chip)
    assert memrix.to_digital(chip, inplace=True) is chip
    assert type(chip[0]) is nn.Linear
    assert torch.equal(chip[0].weight, expected[0].weight)


def test_types_and_gradients_of_parameters_are_kept():
    model = nn.Sequential(nn.Linear(6, 5)).bfloat16().eval()
    model[0].bias.requires_grad_(False)
    memrix.calibrate(model, [numbers(9, 6).bfloat16()], IDEAL)
    digital = memrix.to_digital(memrix.program(model, IDEAL))
    assert digital[0].weight.dtype == torch.bfloat16
    assert digital[0].weight.requires_grad
    assert not digital[0].bias.requires_grad
    digital(numbers(2, 6).bfloat16()).sum().backward()
    assert digital[0].weight.grad is not None


def test_a_subclass_is_itself_again():
    class Mine(nn.LSTM):
        pass

    model = Mine(4, 5).eval()
    memrix.calibrate(model, [numbers(7, 3, 4)], IDEAL)
    digital = memrix.to_digital(memrix.program(model, IDEAL))
    assert type(digital) is Mine
    assert list(itertools.islice(digital.modules(), 5)) == [digital]


def test_what_is_no_chip_is_an_error():
    with pytest.raises(ConversionError, match="no layer of this model runs on a chip"):
        memrix.to_digital(nn.Linear(2, 2))


def test_a_function_that_would_go_on_running_the_chip_is_an_error():
    model = nn.Sequential(nn.Linear(6, 5)).eval()
    memrix.calibrate(model, [numbers(9, 6)], IDEAL)
    chip = memrix.program(model, IDEAL)

    def forward(self, x):
        return chip[0](x)

    chip.later = forward
    chip.bound = types.MethodType(forward, chip)
    with pytest.raises(ConversionError, match="'later'"):
        memrix.to_digital(chip)


def test_a_weight_that_two_recurrent_layers_share_is_the_cells_for_one():
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.RNN(4, 4, batch_first=True), nn.RNN(4, 4, batch_first=True)
            self.two.weight_hh_l0 = self.one.weight_hh_l0

        def forward(self, x):
            return self.two(self.one(x)[0])[0]

    model = Shared().eval()
    x = numbers(5, 6, 4)
    memrix.calibrate(model, [x], IDEAL, layers="one.*")
    digital = memrix.to_digital(memrix.program(model, IDEAL, layers="one.*"))
    assert torch.equal(digital.two.weight_hh_l0, model.two.weight_hh_l0)
    fresh = nn.RNN(4, 4, batch_first=True)
    fresh.load_state_dict(digital.one.state_dict())
    assert not torch.equal(fresh.weight_hh_l0, model.one.weight_hh_l0)
    assert torch.equal(digital.one(x)[0], fresh(x)[0])
