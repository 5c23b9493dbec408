"""Quantized models in the space that their bits take: the same integers, steps and outputs."""

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import CheckpointError, ConversionError, SettingsError

VALUES = torch.linspace(-2, 2, 2 * 6 * 9).view(2, 6, 9).sin()


def network():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv1d(6, 8, 3, groups=2),
        nn.ConvTranspose1d(8, 6, 2, groups=2),
        nn.Flatten(),
        nn.Linear(48, 5),
        nn.LayerNorm(5),
    )


def quantized(model, **settings):
    hardware = memrix.Hardware.preset("tuned").replace(**settings)
    memrix.quantize(model, hardware)
    memrix.calibrate(model, [VALUES], hardware)
    return model.eval()


def halved(model):
    """The model with what is not quantized at half precision, as packing keeps it."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.endswith("weight") or parameter.dim() == 1:
                parameter.copy_(parameter.half())
    return model


@pytest.mark.parametrize("bits", [1.5, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("scale", ["per-tensor", "per-output-channel"])
@pytest.mark.parametrize("weight_range", ["abs-max", "mean-square-error"])
def test_a_model_comes_back_with_the_same_outputs(bits, scale, weight_range):
    settings = {"weight_bits": bits, "weight_scale": scale, "weight_range": weight_range}
    model = halved(quantized(network(), **settings))
    tensors = memrix.pack_weights(model)
    other = quantized(network(), **settings)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(memrix.unpack_weights(other, tensors))
    assert torch.equal(other(VALUES), model(VALUES))
    for index in (0, 1, 3):
        assert torch.equal(other[index].quantized_weight(), model[index].quantized_weight())
        packed = tensors[f"{index}.weight.integers"]
        assert packed.numel() == -(-model[index].weight.numel() * max(2, int(bits)) // 8)


def test_ranges_and_steps_keep_their_precision_and_other_tensors_half():
    hardware = memrix.Hardware.preset("ideal")
    model = network()
    memrix.calibrate(model, [VALUES], hardware)
    memrix.quantize(model, hardware, memrix.Quantization(learned_steps=True))
    tensors = memrix.pack_weights(model)
    for name, value in model.state_dict().items():
        if ".memrix." in name:
            assert torch.equal(tensors[name], value)
    assert tensors["4.weight"].dtype is torch.float16
    other = network()
    memrix.quantize(other, hardware, memrix.Quantization(learned_steps=True))
    other.load_state_dict(memrix.unpack_weights(other, tensors))
    for index in (0, 1, 3):
        assert torch.equal(other[index].quantized_weight(), model[index].quantized_weight())


def test_weights_that_are_rows_of_a_parameter_are_packed_by_their_layers():
    torch.manual_seed(0)
    model, other = nn.LSTM(4, 3), nn.LSTM(4, 3)
    for each in (model, other):
        memrix.quantize(each, memrix.Hardware.preset("ideal"))
    tensors = memrix.pack_weights(model)
    assert tensors["hh_l0.weight.integers"].numel() == 12 * 3 // 2
    other.load_state_dict(memrix.unpack_weights(other, tensors))
    assert torch.equal(other.hh_l0.quantized_weight(), model.hh_l0.quantized_weight())


def test_numbers_that_half_precision_does_not_hold_stay():
    model = nn.LayerNorm(2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([1e5, 1.0]))
    assert torch.equal(memrix.pack_weights(model)["weight"], model.weight)


@pytest.mark.parametrize("bits", [2, 10, 16])
def test_weights_of_a_float_model_change_by_the_stated_share(bits):
    model, other = network(), network()
    tensors = memrix.pack_weights(model, other_bits=bits)
    other.load_state_dict(memrix.unpack_weights(other, tensors))
    for index in (0, 1, 3):
        rows, found = model[index].weight.flatten(1), other[index].weight.flatten(1)
        share = (rows - found).abs().amax(1) / rows.abs().amax(1)
        assert float(share.max()) <= 1.0001 / (2**bits - 2)


def test_float_weights_near_a_base_are_its_weights_and_few_bits_of_the_difference():
    base, model = network(), network()
    with torch.no_grad():
        model[3].weight.add_(torch.linspace(-1e-3, 1e-3, 5 * 48).view(5, 48))
        model[4].bias.add_(0.5)
    tensors = memrix.pack_weights(model, half=False, base=base, difference_bits=4)
    assert tensors["3.weight.integers"].numel() == 5 * 48 // 2
    assert tensors["3.weight.sha256"].shape == (32,)
    found = memrix.unpack_weights(network(), tensors)
    largest = (model[3].weight - base[3].weight).abs().amax(1, keepdim=True)
    assert bool(((found["3.weight"] - model[3].weight).abs() <= largest / 14 + 1e-8).all())
    assert torch.equal(found["4.bias"], model[4].bias)
    assert torch.equal(found["0.weight"], base[0].weight)
    with pytest.raises(CheckpointError, match=r"1 differ .*3\.weight"):
        memrix.unpack_weights(model, tensors)
    with pytest.raises(SettingsError, match="from 2 to 16 bits, got 1"):
        memrix.pack_weights(model, base=base, difference_bits=1)


def test_tied_weights_are_packed_once_and_zeros_of_another_sign_are_those_of_the_base():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first, self.last, self.other = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 32)
            self.last.weight = self.first.weight

    base, model = Tied(), Tied()
    with torch.no_grad():
        model.first.weight.mul_(1.01)
        base.other.weight[0], model.other.weight[0] = 0.0, -0.0
    tensors = memrix.pack_weights(model, base=base, difference_bits=4)
    assert tensors["first.weight.integers"] is tensors["last.weight.integers"]
    assert {"other.weight.sha256", "other.bias.sha256"} <= set(tensors)
    assert "other.weight.integers" not in tensors
    found = memrix.unpack_weights(base, tensors)
    torch.testing.assert_close(found["last.weight"], model.first.weight.detach(), atol=1e-3, rtol=0)


def test_what_cannot_be_packed_says_why():
    model = quantized(network())
    with pytest.raises(SettingsError, match="from 2 to 16 bits, got 40"):
        memrix.pack_weights(network(), other_bits=40)
    with pytest.raises(ConversionError, match=r"runs on a chip; memrix\.save keeps its cells"):
        memrix.pack_weights(memrix.program(model, memrix.Hardware.preset("ideal"), seed=0))
    with torch.no_grad():
        model[3].weight[0, 0] = torch.nan
    with pytest.raises(ConversionError, match=r"3\.weight holds NaN or infinite values"):
        memrix.pack_weights(model)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("integers", None, r"3\.weight: integers is missing"),
        ("full_scale", None, r"3\.weight: full_scale is missing"),
        ("bits", None, r"3\.weight: bits is missing"),
        ("bits", torch.tensor(5, dtype=torch.uint8), "packed at 5 bits, and the layer is quantized for 4"),
        ("bits", torch.tensor(4), r"bits must be a uint8 scalar, got torch\.int64 \[\]"),
        ("full_scale", torch.ones(4), r"must be float32 of shape \[1\] or \[5\], got torch\.float32 \[4\]"),
        ("full_scale", torch.ones(5).half(), r"got torch\.float16 \[5\]"),
        ("full_scale", torch.tensor([1.0, 2, torch.nan, 1, 1]), "must be finite numbers from 0, got nan"),
        ("full_scale", torch.tensor([1.0, 2, -3, 1, 1]), r"must be finite numbers from 0, got -3\.0"),
        ("integers", torch.zeros(7, dtype=torch.uint8), "are a uint8 tensor of 120 bytes"),
    ],
)
def test_damaged_parts_are_refused(part, value, message):
    model = quantized(network(), weight_bits=4)
    tensors = memrix.pack_weights(model)
    name = f"3.weight.{part}"
    del tensors[name]
    if value is not None:
        tensors[name] = value
    with pytest.raises(CheckpointError, match=message):
        memrix.unpack_weights(model, tensors)


def test_a_packed_state_of_another_model_names_every_weight():
    tensors = memrix.pack_weights(quantized(network(), weight_bits=4))
    other = quantized(network(), weight_bits=3)
    with pytest.raises(CheckpointError, match=r"0\.weight: packed at 4 bits[^\n]*\n.*1\.weight: .*\n.*3\.weight: "):
        memrix.unpack_weights(other, tensors)
