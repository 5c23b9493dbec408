"""Weights are found however a model holds them, and every one that stays digital is listed with its reason."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import memrix
from memrix.errors import CoverageWarning
from tests.nn.decomposing import randn

IDEAL = memrix.Hardware.preset("ideal")


class Holds(nn.Module):
    """Holds a matrix in one of many ways and multiplies by it."""

    def __init__(self, **held: object) -> None:
        super().__init__()
        for name, value in held.items():
            setattr(self, name, value)

    def forward(self, x):
        return x


class Buffered(nn.Module):
    def __init__(self, **held: torch.Tensor) -> None:
        super().__init__()
        for name, value in held.items():
            self.register_buffer(name, value)

    def forward(self, x):
        return x


def buffer_weight() -> nn.Linear:
    layer = nn.Linear(16, 8)
    weight = layer.weight.detach()
    del layer.weight
    layer.register_buffer("weight", weight)
    return layer


def plain_weight() -> nn.Linear:
    layer = nn.Linear(16, 8)
    weight = layer.weight.detach()
    del layer.weight
    layer.weight = weight
    return layer


def quantized(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(nn.Sequential(layer), {type(layer)})[0]


MATRIX = torch.ones(16, 8)
# What holds weights: their number, whether a warning is due, and the reason.
HOLDERS = {
    "a linear layer's buffer": (buffer_weight, 128, True, "is a buffer, .* torch.nn.Parameter"),
    "a linear layer's plain tensor": (plain_weight, 128, True, "is a plain tensor, .* torch.nn.Parameter"),
    "pruned": (lambda: prune.l1_unstructured(nn.Linear(16, 8), "weight", 4), 128, True, "weight_orig; remove"),
    "parametrized": (lambda: parametrizations.weight_norm(nn.Linear(16, 8)), 128, True, "is parametrized"),
    "packed": (lambda: quantized(nn.Linear(16, 8)), 128, True, "torch has quantized this Linear"),
    "packed, of a cell": (lambda: quantized(nn.GRUCell(16, 8)), 24 * 24, True, "torch has quantized this GRUCell"),
    "a parameter": (lambda: Holds(w=nn.Parameter(MATRIX)), 128, True, "Holds has no crossbar counterpart for its w"),
    "a list of parameters": (lambda: nn.ParameterList([MATRIX, MATRIX]), 256, True, "for its 0, 1"),
    "a table of parameters": (lambda: nn.ParameterDict({"a": MATRIX}), 128, True, "for its a"),
    "a buffer": (lambda: Buffered(w=MATRIX, scale=torch.ones(8)), 128, False, r"for its w \(a buffer\)"),
    "integers": (lambda: Buffered(weight=MATRIX.to(torch.int8)), 128, False, r"weight \(a buffer\)"),
    "a plain tensor": (lambda: Holds(w=MATRIX), 128, False, r"w \(a plain tensor\)"),
    "a list of tensors": (lambda: Holds(w=[MATRIX, MATRIX]), 256, False, r"w\[0\] \(a plain tensor\), w\[1\]"),
    "nested": (lambda: Holds(w={"a": [(MATRIX,)]}), 128, False, r"w\['a'\]\[0\]\[0\] \(a plain tensor\)"),
    "a table of tensors": (lambda: Holds(w={"a": MATRIX}), 128, False, r"w\['a'\] \(a plain tensor\)"),
}


@pytest.mark.parametrize("how", HOLDERS)
def test_weights_are_listed_however_they_are_held(how):
    make, count, warned, reason = HOLDERS[how]
    model = nn.Sequential(make(), nn.Linear(8, 4))
    check = memrix.check(model, IDEAL)
    assert [layer.name for layer in check.layers] == ["1"]
    (digital,) = check.digital
    assert (digital.name, digital.weights) == ("0", count)
    assert digital.share == count / (count + 32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        memrix.quantize(model, IDEAL)
    assert any(issubclass(each.category, CoverageWarning) for each in caught) == warned
    (problem,) = memrix.check(make(), IDEAL).problems
    with pytest.raises(memrix.MemrixError, match=reason):
        memrix.quantize(make(), IDEAL)
    assert digital.reason in problem


def test_what_is_no_weight_is_not_listed():
    mask, position = torch.ones(4, 4).bool(), torch.arange(8).view(2, 4)
    others = Buffered(mask=mask, position=position, positions=torch.ones(1, 10, 8), mean=torch.ones(8))
    attention = Holds(last_map=torch.ones(2, 4, 5, 5), alias=None)
    model = nn.Sequential(others, attention, nn.BatchNorm2d(3), nn.Linear(8, 4))
    attention.alias = model[3].bias
    assert not memrix.check(model, IDEAL).digital


def test_layers_in_a_plain_list_are_listed():
    model = Holds(head=nn.Linear(8, 4), layers=[nn.Linear(8, 8)], parent=[])
    model.parent.append(model)
    check = memrix.check(model, IDEAL)
    assert [layer.name for layer in check.layers] == ["head"]
    (digital,) = check.digital
    assert digital.name == "layers[0]"
    assert "nn.ModuleList" in digital.reason


class Plain:
    """An object that is not a module."""

    def __init__(self, **held: object) -> None:
        vars(self).update(held)


@pytest.mark.parametrize(
    ("held", "name"),
    [
        ([[nn.Linear(8, 8)]], "held[0][0]"),
        ({"a": ({"b": nn.Linear(8, 8)},)}, "held['a'][0]['b']"),
        (Plain(inner=Plain(layers=[nn.Linear(8, 8)])), "held.inner.layers[0]"),
        ([nn.Sequential(quantized(nn.Linear(8, 8)))], "held[0].0"),
        ([nn.Sequential(buffer_weight())], "held[0].0"),
    ],
)
def test_layers_are_listed_however_deep_they_lie_in_what_torch_does_not_know(held, name):
    model = Holds(head=nn.Linear(8, 4), held=held)
    vars(model)["around"] = [model, held]
    (digital,) = memrix.check(model, IDEAL).digital
    assert digital.name == name
    assert "of which torch knows nothing" in digital.reason


def test_shares_of_all_layers_add_up():
    model = nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 4), nn.Bilinear(2, 2, 2))
    check = memrix.check(model, IDEAL)
    assert [layer.share for layer in check.digital] == [80 / 120, 8 / 120]
    assert "66.7%" in str(check)


def test_a_digital_layer_that_shares_a_weight_with_the_chip_says_so():
    model = nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 10))
    model[1].weight = model[0].weight
    ids = torch.arange(10)
    memrix.calibrate(model, [ids], IDEAL)
    chip = memrix.program(model, IDEAL)
    for digital in (*memrix.check(model, IDEAL).digital, *memrix.summary(chip).digital):
        assert digital.name == "0"
        assert "it reads the digital weight that '1' shares with it" in digital.reason


class Twice(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.Linear(4, 4, device="meta"), "is on the meta device and has no values"),
        (Twice(4, 4), "Twice overrides forward of Linear"),
        (parametrizations.weight_norm(nn.Linear(4, 4)), "is parametrized"),
    ],
)
def test_reasons_are_told_when_nothing_at_all_can_be_mapped(layer, reason):
    (problem,) = memrix.check(nn.Sequential(layer, Twice(4, 4)), IDEAL).problems
    assert reason in problem
    assert "Twice overrides forward of Linear" in problem


def test_spectral_norms_are_not_moved_by_a_look():
    layer = parametrizations.spectral_norm(nn.Linear(4, 4))
    model = nn.Sequential(layer, nn.Linear(4, 4)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    memrix.check(model, IDEAL)
    memrix.summary(model)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_chips_and_calibrated_layers_hold_nothing_that_is_taken_for_a_weight():
    hardware = memrix.Hardware.preset("tuned")
    model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 4))
    memrix.calibrate(model, [randn(600, 8)], hardware)
    assert not memrix.check(model, hardware).digital
    assert not memrix.summary(memrix.program(model, hardware)).digital


def test_parametrized_buffers_and_biases_are_taken_as_they_are():
    class Doubled(nn.Module):
        def forward(self, x):
            return 2 * x

    model = nn.Sequential(Buffered(w=MATRIX), nn.Linear(8, 4), nn.Linear(4, 4))
    nn.utils.parametrize.register_parametrization(model[0], "w", Doubled())
    nn.utils.parametrize.register_parametrization(model[1], "bias", Doubled())
    check = memrix.check(model, IDEAL)
    assert [(layer.name, layer.weights) for layer in check.digital] == [("0", 128), ("1", 32)]
    assert [layer.name for layer in check.layers] == ["2"]


def test_a_module_that_counts_as_false_is_a_module():
    class Empty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def __len__(self) -> int:
            return 0

        def forward(self, x):
            return x @ self.layer.weight

    assert "instead of calling it" in memrix.check(Empty(), IDEAL).problems[0]
