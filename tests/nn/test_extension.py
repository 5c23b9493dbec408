"""A layer from outside of memrix: as docs/own-layer.md explains, with everything that a user does with it."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import memrix
from memrix.errors import InputError
from memrix.nn import CrossbarLayer, Geometry, Handler, register
from memrix.nn.geometry import name_of
from tests.nn.ideal import IDEAL, assert_ideal_chip_is_the_quantized_layer, seeded


class PositionwiseLinear(nn.Module):
    """The same matrix at every position: ``[batch, in, *positions]`` to ``[batch, out, *positions]``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, input: Tensor) -> Tensor:
        return (input.movedim(1, -1) @ self.weight.t() + self.bias).movedim(-1, 1)


class PositionwiseGeometry(Geometry):
    """Every position is a vector over the channels."""

    def weight_to_matrix(self, layer: Any, weight: Tensor) -> Tensor:
        return weight

    def matrix_to_weight(self, layer: Any, matrix: Tensor) -> Tensor:
        return matrix

    def unfold(self, layer: Any, values: Tensor) -> Tensor:
        inputs = layer.weight.shape[1]
        if values.dim() < 2 or values.shape[1] != inputs:
            raise InputError(f"layer {name_of(layer)!r} takes [batch, {inputs}, ...], got {list(values.shape)}")
        return values.flatten(2).movedim(1, -1).reshape(1, len(values), -1, inputs)

    def fold(self, layer: Any, results: Tensor, shape: torch.Size, **options: Any) -> Tensor:
        return results[0].movedim(-1, 1).reshape(shape[0], -1, *shape[2:])

    def functional_forward(
        self, layer: Any, input: Tensor, weight: Tensor, bias: Tensor | None, **options: Any
    ) -> Tensor:
        return (input.movedim(1, -1) @ weight.t() + bias).movedim(-1, 1)

    def broadcast_bias(self, layer: Any, bias: Tensor) -> Tensor:
        return bias[:, None, None]


register(Handler(PositionwiseLinear, PositionwiseGeometry()))


@pytest.fixture
def model() -> nn.Sequential:
    return seeded(0, lambda: nn.Sequential(PositionwiseLinear(6, 8), nn.ReLU(), nn.Conv2d(8, 4, 3)))


X = torch.randn(5, 6, 7, 7, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bits", [1.5, 4])
def test_ideal_hardware_is_the_quantized_layer(bits):
    layer = seeded(0, lambda: PositionwiseLinear(6, 8))
    assert_ideal_chip_is_the_quantized_layer(layer, X, IDEAL.replace(weight_bits=bits, **{"tile.rows": 4}))


def test_every_verb_knows_the_layer(model):
    hardware = memrix.Hardware(column_calibration=True).replace(**{"adc.per_layer": True})
    memrix.calibrate(model, [X], hardware)
    chip, exact = memrix.program(model, hardware), model(X)
    assert isinstance(chip[0], PositionwiseLinear)
    output = chip(X)
    assert (output - exact).norm() / exact.norm() < 0.3
    described = memrix.summary(chip).layers[0]
    assert (described.kind, described.weight_shape) == ("PositionwiseLinear", (8, 6))
    assert described.cells == 8 * 6 * 3 * 2
    assert described.conversions == 5 * 7 * 7 * 8 * 3
    memrix.reseed(chip, read=0)
    assert torch.equal(chip(X), output)


def test_a_quantized_network_trains_the_layer(model):
    memrix.calibrate(model, [X], memrix.Hardware())
    memrix.quantize(model, memrix.Hardware())
    model(X).sum().backward()
    assert model[0].weight.grad is not None
    chip = memrix.program(model, memrix.Hardware())
    assert isinstance(chip[0], CrossbarLayer)
    assert isinstance(chip[0], PositionwiseLinear)


def test_gradient_goes_through_the_cells(model):
    memrix.calibrate(model, [X], IDEAL)
    chip, fake_quantized = memrix.program(model, IDEAL), copy.deepcopy(model)
    memrix.quantize(fake_quantized, IDEAL)
    gradients = []
    for network in (chip, fake_quantized):
        x = X.clone().requires_grad_()
        network(x).square().sum().backward()
        gradients.append((x.grad, network[0].weight.grad, network[0].bias.grad))
    for on_chip, on_quantized in zip(*gradients, strict=True):
        torch.testing.assert_close(on_chip, on_quantized, rtol=1e-3, atol=1e-3)


def test_a_wrong_shape_is_refused_by_the_layer(model):
    memrix.calibrate(model, [X], IDEAL)
    with pytest.raises(InputError, match=r"layer '0' takes \[batch, 6, \.\.\.\]"):
        memrix.program(model, IDEAL)(torch.zeros(2, 5, 7, 7))
