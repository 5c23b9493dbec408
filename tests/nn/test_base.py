import copy
import pickle

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import CalibrationError, InputError
from memrix.nn import MemristorConv1d, MemristorLinear, QuantizedLinear

PHYSICAL = memrix.Hardware.preset("physical")


def inputs(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(20, 30), nn.GELU(), nn.Linear(30, 5))


@pytest.fixture
def chip(model) -> nn.Module:
    memrix.calibrate(model, [inputs(8, 20)], PHYSICAL)
    return memrix.program(model, PHYSICAL)


def test_a_layer_on_the_chip_is_still_the_torch_layer(chip, model):
    assert isinstance(chip[0], MemristorLinear)
    assert isinstance(chip[0], nn.Linear)
    assert torch.equal(chip[0].weight, model[0].weight)
    assert chip[0].in_features == 20


def test_chip_is_near_the_model_and_noisy(chip, model):
    with torch.no_grad():
        first, second, digital = chip(inputs(8, 20)), chip(inputs(8, 20)), model(inputs(8, 20))
    assert not torch.equal(first, second)
    assert (first - digital).norm() / digital.norm() < 0.5


def test_nan_input_is_refused_with_the_name_of_the_layer(chip):
    bad = inputs(8, 20)
    bad[3, 4] = torch.nan
    with pytest.raises(InputError, match="layer '0' holds NaN"):
        chip(bad)


def test_large_finite_inputs_are_clipped_not_refused(chip):
    assert torch.isfinite(chip(torch.full((2, 20), 3e38))).all()


def test_values_are_the_chip_s_with_and_without_gradients(chip):
    with torch.no_grad():
        memrix.reseed(chip, read=3)
        expected = chip(inputs(8, 20))
    memrix.reseed(chip, read=3)
    output = chip(inputs(8, 20))
    assert output.requires_grad
    assert torch.equal(output, expected)


def test_copy_of_a_chip_reads_the_same(chip):
    chip(inputs(2, 20))
    copied = copy.deepcopy(chip)
    assert torch.equal(chip(inputs(8, 20)), copied(inputs(8, 20)))


class Named(nn.Linear):
    """A subclass, whose class on a chip is made at run time."""


def test_a_chip_with_a_class_made_at_run_time_can_be_pickled():
    layer = nn.Sequential(Named(20, 4))
    memrix.calibrate(layer, [inputs(8, 20)], PHYSICAL)
    chip = memrix.program(layer, PHYSICAL)
    again = pickle.loads(pickle.dumps(chip))
    assert type(again[0]) is type(chip[0])
    assert torch.equal(again(inputs(8, 20)), chip(inputs(8, 20)))


def test_state_of_a_chip_loads_into_another_of_the_same_model(chip, model):
    other = memrix.program(model, PHYSICAL, seed=9)
    other.load_state_dict(chip.state_dict())
    for network in (chip, other):
        memrix.reseed(network, read=1)
    assert torch.equal(chip(inputs(8, 20)), other(inputs(8, 20)))


def test_quantized_layer_without_a_range_is_refused():
    layer = nn.Linear(3, 3)
    memrix.quantize(layer, PHYSICAL)
    assert isinstance(layer, QuantizedLinear)
    with pytest.raises(CalibrationError, match=r"memrix\.calibrate"):
        layer(inputs(2, 3))


def test_a_quantized_model_can_be_calibrated_and_programmed(model):
    memrix.quantize(model, PHYSICAL)
    memrix.calibrate(model, [inputs(8, 20)], PHYSICAL)
    assert model(inputs(8, 20)).shape == (8, 5)
    assert isinstance(memrix.program(model, PHYSICAL)[2], MemristorLinear)


def test_range_of_a_quantized_layer_is_in_its_state(model):
    memrix.quantize(model, PHYSICAL)
    memrix.calibrate(model, [inputs(8, 20)], PHYSICAL)
    other = nn.Sequential(nn.Linear(20, 30), nn.GELU(), nn.Linear(30, 5))
    memrix.quantize(other, PHYSICAL)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(inputs(8, 20)), model(inputs(8, 20)))


def test_legacy_noise_is_shared_over_the_first_axis_of_a_batch():
    legacy = memrix.Hardware.preset("paper").replace(weight_bits=2, **{"adc.precision_bits": 12, "adc.range_bits": 8})
    conv = nn.Conv1d(4, 2, 3, bias=False)
    x = inputs(1, 4, 50).expand(5, -1, -1)
    memrix.calibrate(conv, [x], legacy)
    chip = memrix.program(conv, legacy)
    assert isinstance(chip, MemristorConv1d)
    output = chip(x)
    torch.testing.assert_close(output[0], output[4])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_output_has_the_type_of_the_input(dtype):
    layer = nn.Linear(6, 4).to(dtype)
    memrix.calibrate(layer, [inputs(3, 6).to(dtype)], PHYSICAL)
    with torch.no_grad():
        assert memrix.program(layer, PHYSICAL)(inputs(3, 6).to(dtype)).dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_chip_in_another_precision_keeps_its_cells(chip, dtype):
    cells = chip[0].memrix.array.crossbar.difference.clone()
    expected = chip(inputs(8, 20))
    converted = copy.deepcopy(chip).to(dtype)
    assert torch.equal(converted[0].memrix.array.crossbar.difference, cells)
    memrix.reseed(converted, read=0)
    output = converted(inputs(8, 20).to(dtype))
    assert output.dtype == dtype
    torch.testing.assert_close(output.float(), expected, rtol=0, atol=0.3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_model_in_another_precision_can_be_quantized(model, dtype):
    model.to(dtype)
    memrix.quantize(model, PHYSICAL)
    memrix.calibrate(model, [inputs(8, 20).to(dtype)], PHYSICAL)
    assert model(inputs(8, 20).to(dtype)).dtype == dtype


def test_programming_ignores_autocast(model):
    memrix.calibrate(model, [inputs(8, 20)], PHYSICAL)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        assert memrix.program(model, PHYSICAL)(inputs(8, 20)).shape == (8, 5)


def test_bias_alone_can_be_trained(chip):
    for name, parameter in chip.named_parameters():
        parameter.requires_grad_(name == "0.bias")
    chip(inputs(8, 20)).sum().backward()
    assert chip[0].bias.grad is not None


def test_empty_batch_gives_an_empty_output(chip):
    with torch.no_grad():
        assert chip(torch.empty(0, 20)).shape == (0, 5)


@pytest.mark.parametrize("shape", [(4, 19), (4, 21), ()])
def test_input_of_another_shape_is_refused(chip, shape):
    with torch.no_grad(), pytest.raises(InputError, match=r"layer '0' takes \[\.\.\., 20\]"):
        chip(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 2, 10), (2, 6, 10), (10,), (1, 2, 4, 10)])
def test_input_of_another_number_of_channels_is_refused(shape):
    layer = nn.Conv1d(4, 8, 3)
    memrix.calibrate(layer, [inputs(2, 4, 10)], PHYSICAL)
    with torch.no_grad(), pytest.raises(InputError, match=r"takes \[batch, 4, length\]"):
        memrix.program(layer, PHYSICAL)(torch.zeros(shape))


def test_integers_are_refused(chip):
    with pytest.raises(InputError, match=r"torch\.int64"):
        chip(torch.ones(2, 20, dtype=torch.int64))


def test_global_generator_is_left_alone(chip):
    before = torch.get_rng_state()
    chip(inputs(8, 20))
    assert torch.equal(before, torch.get_rng_state())
