"""Weights of every type and layout: refused with the fix by every verb, or right to the last digit."""

import copy

import pytest
import torch
from torch import nn
from torch.testing._internal.two_tensor import TwoTensor

import memrix
from memrix.errors import ConversionError, CoverageWarning
from tests.nn.decomposing import randn

IDEAL = memrix.Hardware.preset("ideal").replace(weight_bits=8)
X = randn(64, 6)


class Harmless(nn.Parameter):
    """A class of its own that overrides nothing, as libraries have for their bookkeeping."""


class Telling(torch.Tensor):
    """Looks at every operation on it."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), named=None):
        return super().__torch_function__(function, types, arguments, named or {})


def made_in_inference_mode() -> torch.Tensor:
    with torch.inference_mode():
        return torch.ones(4, 6)


UNUSABLE = {
    "complex": (lambda w: w.to(torch.complex64), "real and imaginary parts"),
    "float8": (lambda w: w.to(torch.float8_e4m3fn), "float8_e4m3fn, .* dequantize it to one of float16"),
    "int8": (lambda w: w.mul(100).to(torch.int8), "int8, .* dequantize it"),
    "bool": (lambda w: w > 0, "bool, .* dequantize it"),
    "sparse": (lambda w: w.to_sparse(), r"sparse_coo, .* weight.to_dense\(\)"),
    "compressed": (lambda w: w.to_sparse_csr(), r"sparse_csr, .* weight.to_dense\(\)"),
    "quantized": (lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8), "quantized by torch"),
    "a subclass that overrides functions": (lambda w: w.as_subclass(Telling), "is a Telling"),
    "a subclass that wraps others": (lambda w: TwoTensor(w, w), "is a TwoTensor"),
    "of inference mode": (lambda w: made_in_inference_mode(), r"nn.Parameter\(weight.clone\(\)\)"),
    "without values": (lambda w: w.to("meta"), "meta device"),
    "empty": (lambda w: w[:0], "nothing to write"),
}
UNUSUAL = {
    "half": (lambda w: w.half(), 1e-3),
    "bfloat16": (lambda w: w.bfloat16(), 1e-2),
    "double": (lambda w: w.double(), 1e-6),
    "expanded": (lambda w: w[:1].expand(4, 6), 1e-6),
    "overlapping": (lambda w: w.as_strided((4, 6), (2, 1)), 1e-6),
    "transposed": (lambda w: w.t().contiguous().t(), 1e-6),
    "a class without overrides": (lambda w: w, 1e-6),
}


def linear(weight: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(6, 4)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return layer


def weight() -> torch.Tensor:
    return randn(4, 6, seed=1)


@pytest.mark.filterwarnings("ignore:Sparse|torch.quantize")
@pytest.mark.parametrize("kind", UNUSABLE)
def test_weights_that_cells_cannot_hold_are_refused_with_the_fix(kind):
    change, reason = UNUSABLE[kind]
    if kind == "quantized":
        model = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2))
        del model[0].weight
        model[0].weight = change(weight())
        reason = "plain tensor"
    else:
        model = nn.Sequential(linear(change(weight())), nn.Linear(4, 2))
    (digital,) = memrix.check(model, IDEAL).digital
    assert digital.name == "0"
    (problem,) = memrix.check(model, IDEAL, layers="0").problems
    with pytest.raises(ConversionError, match=reason):
        memrix.program(model, IDEAL, layers=["0"])
    with pytest.raises(ConversionError, match=reason):
        memrix.quantize(model, IDEAL, layers=["0"])
    with pytest.raises(ConversionError, match=reason):
        memrix.calibrate(model[:1], [X], IDEAL)
    with pytest.warns(CoverageWarning, match=reason):
        memrix.quantize(model, IDEAL)
    assert digital.reason in problem


def test_a_bias_is_looked_at_too():
    layer = linear(weight())
    layer.bias = nn.Parameter(torch.ones(4, dtype=torch.complex64))
    (problem,) = memrix.check(layer, IDEAL).problems
    assert "the bias of this Linear is complex" in problem


def test_weights_inside_a_transform_are_refused():
    seen = []

    def transformed(values: torch.Tensor) -> torch.Tensor:
        layer = nn.Linear(6, 4)
        layer._parameters["weight"] = values
        seen.extend(memrix.check(layer, IDEAL).problems)
        return values

    torch.vmap(transformed, randomness="same")(torch.ones(2, 4, 6))
    assert "inside a torch.func transform" in seen[0]


@pytest.mark.parametrize(
    ("layer", "parameter"),
    [(nn.MultiheadAttention(4, 2), "in_proj_weight"), (nn.LSTM(4, 4), "weight_hh_l0"), (nn.GRUCell(4, 4), "bias_ih")],
)
def test_composite_layers_are_refused_before_parts_are_cut(layer, parameter):
    layer._parameters[parameter] = nn.Parameter(
        getattr(layer, parameter).detach().to(torch.complex64), requires_grad=False
    )
    (problem,) = memrix.check(layer, IDEAL).problems
    assert f"{parameter} of this {type(layer).__name__} is complex" in problem


@pytest.mark.parametrize("kind", UNUSUAL)
def test_unusual_weights_are_right_against_float64(kind):
    change, tolerance = UNUSUAL[kind]
    values = change(weight())
    layer = linear(values)
    if kind == "a class without overrides":
        layer._parameters["weight"] = Harmless(values)
    layer.bias.data = layer.bias.data.to(values.dtype)
    model, x = nn.Sequential(layer), X.to(values.dtype)
    memrix.calibrate(model, [x], IDEAL, percentile=100)
    chip = memrix.program(model, IDEAL)
    fake_quantized = copy.deepcopy(model)
    memrix.quantize(fake_quantized, IDEAL)
    exact = values.detach().double()
    step = exact.abs().amax(1, keepdim=True) / 127
    held = (exact / step).round() * step
    volt, largest = chip[0].memrix.activation_step.double(), IDEAL.dac.largest_code
    inputs = (x.double() / volt).round().clamp(-largest, largest) * volt
    expected = inputs @ held.t() + layer.bias.double()
    for each in (chip, fake_quantized):
        output = each(x)
        assert output.dtype == values.dtype
        torch.testing.assert_close(output.double(), expected, rtol=0, atol=tolerance * float(expected.abs().max()))


def test_weights_beyond_float32_are_not_silently_infinite():
    model = linear(weight().double() * 1e300)
    assert any("NaN or infinite" in problem for problem in memrix.check(model, IDEAL).problems)
