"""Weights that are rounded so that they make up for each other's errors."""

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import CalibrationError, ConversionError, InputError, SettingsError
from memrix.quantization.compensation import compensated_rows

HARDWARE = memrix.Hardware.preset("ideal").replace(weight_bits=3, weight_range="mean-square-error")


def correlated(count, inputs, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(inputs, inputs, generator=generator)
    return torch.randn(count, inputs, generator=generator) @ (mixing + torch.eye(inputs))


def quantized(model, batches, quantization=None):
    memrix.calibrate(model, batches, HARDWARE)
    memrix.quantize(model, HARDWARE, quantization or memrix.Quantization(learned_steps=True))
    return model.eval()


def test_two_columns_are_rounded_as_by_hand():
    # The second input follows the first: what the first weight loses, the second makes up for.
    moments = torch.tensor([[2.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    rows = compensated_rows(torch.tensor([[0.4, 0.4]]), torch.tensor([1.0]), 3, moments, damping=0.0)
    # The first is rounded to 0; the second becomes 0.4 + 0.4 * 1 / 1, which is rounded to 1.
    assert rows.round().tolist() == [[0.0, 1.0]]
    torch.testing.assert_close(rows, torch.tensor([[0.4, 0.8]]))


def test_without_correlation_weights_are_rounded_to_nearest():
    rows, step = torch.randn(5, 200, generator=torch.Generator().manual_seed(0)), torch.full((5,), 0.3)
    found = compensated_rows(rows, step, 3, torch.eye(200, dtype=torch.float64))
    torch.testing.assert_close(found, rows.clamp(-1.02, 1.02))


def test_inputs_that_are_always_zero_leave_their_weights_at_nearest():
    inputs = correlated(300, 6).double()
    inputs[:, 2] = 0
    rows = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    found = compensated_rows(rows, torch.tensor([0.5]), 3, inputs.T @ inputs)
    assert torch.equal(found[:, 2], rows[:, 2].clamp(-1.7, 1.7))


@pytest.mark.parametrize(
    ("layer", "values"),
    [
        pytest.param(nn.Linear(160, 24), correlated(2000, 160), id="linear"),
        pytest.param(
            nn.Conv1d(8, 12, 5, groups=2),
            correlated(300, 8).repeat_interleave(6, 0).cumsum(0).T[None],
            id="grouped convolution",
        ),
    ],
)
def test_outputs_are_nearer_to_those_in_float(layer, values):
    torch.manual_seed(0)
    nn.init.normal_(layer.weight)
    expected = layer(values).detach()
    layer = quantized(layer, [values])

    def error():
        with torch.no_grad():
            return float((layer(values) - expected).square().mean())

    nearest = error()
    memrix.compensate(layer, [values])
    assert error() < 0.6 * nearest
    chip = memrix.program(layer, HARDWARE)
    with torch.no_grad():
        torch.testing.assert_close(chip(values), layer(values), atol=1e-3, rtol=1e-3)


def test_projections_of_attention_are_rounded_in_their_parameter():
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(16, 2, batch_first=True)
    values = correlated(60, 16).view(6, 10, 16)
    batch = (values, values, values)
    quantized(attention, [batch])
    before = attention.in_proj_weight.detach().clone()
    memrix.compensate(attention, [batch])
    assert not torch.equal(attention.in_proj_weight, before)
    for name, layer in attention.named_modules():
        if hasattr(layer, "memrix"):
            step = layer.memrix.learned_weight_step.view(-1, 1)
            assert bool(((layer.quantized_weight() - layer.weight).abs() <= 0.501 * step).all()), name


def test_what_cannot_be_compensated_is_explained():
    model, values = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), torch.randn(20, 4)
    with pytest.raises(ConversionError, match=r"call memrix\.quantize first"):
        memrix.compensate(model, [values])
    quantized(model, [values], memrix.Quantization())
    with pytest.raises(SettingsError, match="learned_steps=True"):
        memrix.compensate(model, [values])
    quantized(model, [values])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(SettingsError, match="damping"):
        memrix.compensate(model, [values], damping=-1)
    with pytest.raises(CalibrationError, match=r"no batch reaches 0, 1"):
        memrix.compensate(model, [])
    with pytest.raises(InputError, match="batch 1: layer '0' takes"):
        memrix.compensate(model, [values[:, :3]])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model[0].memrix.unrounded
