"""Printed, a layer on a chip and a quantized one are told from the digital layer that they were."""

import copy

import pytest
import torch
from torch import nn

import memrix

IDEAL = memrix.Hardware.preset("ideal").replace(weight_bits=3)


class Named(nn.Linear):
    def __repr__(self):
        return f"Named({self.in_features})"


class Prefixed(nn.Linear):
    def __repr__(self):
        return "My " + super().__repr__()


class Net(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.digital = nn.Linear(4, 4)

    def forward(self, x):
        found = self.layer(x, x, x) if isinstance(self.layer, nn.MultiheadAttention) else self.layer(x)
        return self.digital(found[0] if isinstance(found, tuple) else found)


def gpt2_layer():
    return pytest.importorskip("transformers.pytorch_utils").Conv1D(4, 4)


LAYERS = {
    "linear": (lambda: nn.Linear(4, 4), "Linear"),
    "a repr of its own": (lambda: Named(4, 4), "Named"),
    "a repr before torch's": (lambda: Prefixed(4, 4), "Prefixed"),
    "transformers": (gpt2_layer, "Conv1D"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_on_a_chip_says_so(name):
    build, kind = LAYERS[name]
    model = Net(build()).eval()
    memrix.calibrate(model, [torch.randn(3, 4)], {"layer": IDEAL})
    chip = memrix.program(model, {"layer": IDEAL})
    shown = repr(chip)
    assert f"(layer): Memristor{kind}(" in shown
    assert "Crossbar(" in shown
    assert "1 x 4 x 4, 2 planes" in shown
    assert "(digital): Linear(in_features=4" in shown
    assert "Memristor" not in repr(model)
    memrix.quantize(model, {"layer": IDEAL})
    assert f"(layer): Quantized{kind}(" in repr(model)
    assert "weights of 3 bit, inputs of 8 bit" in repr(model)


def test_what_a_layer_prints_of_itself_is_kept():
    model = nn.Sequential(Named(4, 2))
    memrix.quantize(model, IDEAL)
    assert "QuantizedNamed(\n    Named(4)\n    (memrix): " in repr(model)


@pytest.mark.parametrize("layer", [nn.LSTM(4, 4), nn.GRUCell(4, 4), nn.MultiheadAttention(4, 2)])
def test_every_part_of_a_composite_layer_says_so(layer):
    name = type(layer).__name__
    model = Net(copy.deepcopy(layer)).eval()
    memrix.calibrate(model, [torch.randn(3, 4)], IDEAL)
    shown = repr(memrix.program(model, IDEAL))
    assert f"(layer): Opened{name}(" in shown
    assert "MemristorProjection(" in shown


def test_a_composite_layer_with_a_repr_of_its_own_shows_its_parts():
    class Quiet(nn.LSTM):
        def __repr__(self):
            return "Quiet"

    model = Net(Quiet(4, 4)).eval()
    memrix.calibrate(model, [torch.randn(3, 4)], IDEAL)
    shown = repr(memrix.program(model, IDEAL))
    assert "(layer): OpenedQuiet(" in shown
    assert "(hh_l0): MemristorProjection(" in shown
