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
    _, layer, digital, _ = repr(chip).splitlines()
    assert layer.startswith(f"  (layer): Memristor{kind}(")
    assert layer.endswith("; on 2 tiles of 128 x 128 pairs, <1% in use, 3 bits)")
    assert digital == "  (digital): Linear(in_features=4, out_features=4, bias=True)"
    assert "Memristor" not in repr(model)
    memrix.quantize(model, {"layer": IDEAL})
    _, layer, digital, _ = repr(model).splitlines()
    assert layer.startswith(f"  (layer): Quantized{kind}(")
    assert layer.endswith("; weights of 3 bits, inputs of 8 bits)")
    assert digital == "  (digital): Linear(in_features=4, out_features=4, bias=True)"


@pytest.mark.parametrize(
    ("layer", "shown"),
    [
        (Named(4, 2), "QuantizedNamed(4; "),
        (Prefixed(4, 2), "QuantizedPrefixed(My QuantizedPrefixed(in_features=4, out_features=2, bias=True); "),
        (nn.Linear(4, 2), "QuantizedLinear(in_features=4, out_features=2, bias=True; "),
    ],
)
def test_what_a_layer_prints_of_itself_is_kept(layer, shown):
    model = nn.Sequential(layer)
    memrix.quantize(model, IDEAL)
    assert f"  (0): {shown}weights of 3 bits, inputs of 8 bits)\n" in repr(model)


def test_a_layer_with_children_of_its_own_shows_them():
    model = nn.Sequential(nn.Linear(4, 2))
    model[0].adapter = nn.ReLU()
    memrix.quantize(model, IDEAL)
    assert repr(model[0]).splitlines() == [
        "QuantizedLinear(",
        "  in_features=4, out_features=2, bias=True",
        "  (adapter): ReLU()",
        "  weights of 3 bits, inputs of 8 bits",
        ")",
    ]


def test_a_calibrated_layer_tells_its_range():
    model = nn.Sequential(nn.Linear(2, 2))
    memrix.calibrate(model, [torch.tensor([[0.5, -1.5]])], IDEAL, percentile=100)
    assert "(memrix): LayerState(calibrated, inputs up to 1.5)" in repr(model)


@pytest.mark.parametrize("layer", [nn.LSTM(4, 4), nn.GRUCell(4, 4), nn.MultiheadAttention(4, 2)])
def test_every_part_of_a_composite_layer_says_so(layer):
    name = type(layer).__name__
    model = Net(copy.deepcopy(layer)).eval()
    memrix.calibrate(model, [torch.randn(3, 4)], IDEAL)
    shown = repr(memrix.program(model, IDEAL))
    assert f"(layer): Decomposed{name}(" in shown
    assert "MemristorProjection(" in shown


def test_a_composite_layer_with_a_repr_of_its_own_shows_its_parts():
    class Quiet(nn.LSTM):
        def __repr__(self):
            return "Quiet"

    model = Net(Quiet(4, 4)).eval()
    memrix.calibrate(model, [torch.randn(3, 4)], IDEAL)
    shown = repr(memrix.program(model, IDEAL))
    assert "(layer): DecomposedQuiet(" in shown
    assert "(hh_l0): MemristorProjection(" in shown
