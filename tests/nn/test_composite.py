"""How the verbs treat decomposed layers."""

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import ConversionError
from memrix.model.selection import plan
from memrix.nn import Composite, CrossbarLayer, DecomposedLayer, QuantizedLinear
from memrix.nn.programming import integers_of
from tests.nn.decomposing import randn

PHYSICAL = memrix.Hardware.preset("physical")
X = randn(5, 2, 8)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention, self.rnn = nn.MultiheadAttention(8, 2), nn.GRU(8, 4)

    def forward(self, x):
        return self.rnn(self.attention(x, x, x)[0])[0]


SUBMODULES = [f"attention.{name}_proj" for name in ("q", "k", "v", "out")] + ["rnn.ih_l0", "rnn.hh_l0"]


def on_chip(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, CrossbarLayer)]


def test_parts_are_known_before_the_layer_is_opened():
    model = Net()
    assert [layer.name for layer in plan(model, PHYSICAL, None).selected] == SUBMODULES
    assert not any(isinstance(module, DecomposedLayer) for module in model.modules())


def test_parts_run_on_crossbars_and_the_model_computes_as_before():
    model = Net()
    keys, before = list(model.state_dict()), model(X)
    memrix.calibrate(model, [X], PHYSICAL)
    torch.testing.assert_close(model(X), before)
    assert list(model.state_dict()) == keys
    chip = memrix.program(model, PHYSICAL)
    assert on_chip(chip) == SUBMODULES
    assert on_chip(model) == []
    with torch.no_grad():
        assert chip(X).shape == before.shape
    assert all(layer.conversions > 0 for layer in memrix.summary(chip).layers)


def test_projections_of_one_input_see_the_same_range():
    model = Net()
    memrix.calibrate(model, [X], PHYSICAL)
    ranges = [float(getattr(model.attention, f"{name}_proj").memrix.input_range) for name in "qkv"]
    assert ranges == [pytest.approx(float(X.abs().max()))] * 3


def test_only_what_is_selected_is_opened():
    model = Net()
    memrix.calibrate(model, [X], PHYSICAL, layers="rnn.ih_*")
    assert type(model.attention) is nn.MultiheadAttention
    chip = memrix.program(model, PHYSICAL, layers="rnn.ih_*")
    assert on_chip(chip) == ["rnn.ih_l0"]
    digital = {layer.name: (layer.weights, layer.reason) for layer in memrix.summary(chip).digital}
    expected = {name: (64, "not selected") for name in SUBMODULES[:4]} | {"rnn.hh_l0": (48, "not selected")}
    assert digital == expected


def test_quantized_parts_learn_through_the_parameters_of_their_owner():
    model = Net()
    memrix.calibrate(model, [X], PHYSICAL)
    memrix.quantize(model, PHYSICAL)
    assert isinstance(model.attention.q_proj, QuantizedLinear)
    model(X).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = integers_of(memrix.program(model, PHYSICAL).attention.v_proj)[1]
    optimizer.step()
    assert not torch.equal(integers_of(memrix.program(model, PHYSICAL).attention.v_proj)[1], before)


def test_parts_train_with_learned_steps_and_noise():
    model = Net()
    memrix.calibrate(model, [X], PHYSICAL)
    memrix.quantize(model, PHYSICAL, memrix.Quantization(learned_steps=True, weight_noise=0.1))
    model(X).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert on_chip(memrix.program(model, PHYSICAL)) == SUBMODULES


def test_a_quantized_model_can_be_calibrated():
    model = Net()
    memrix.quantize(model, PHYSICAL)
    memrix.calibrate(model, [X], PHYSICAL)
    assert on_chip(memrix.program(model, PHYSICAL)) == SUBMODULES


def test_gradients_reach_the_parameters_through_a_chip():
    model = Net()
    memrix.calibrate(model, [X], PHYSICAL)
    chip = memrix.program(model, PHYSICAL)
    chip(X).sum().backward()
    assert all(parameter.grad is not None for parameter in chip.parameters())


def test_a_composite_layer_alone_is_a_model():
    layer = nn.LSTM(8, 4)
    memrix.calibrate(layer, [X], PHYSICAL)
    assert on_chip(memrix.program(layer, PHYSICAL)) == ["ih_l0", "hh_l0"]


def test_a_shared_layer_is_opened_once():
    shared = nn.RNNCell(8, 8)
    model = nn.Sequential(shared, nn.Tanh(), shared)
    memrix.calibrate(model, [X[0]], PHYSICAL)
    assert on_chip(memrix.program(model, PHYSICAL)) == ["0.ih", "0.hh"]


def test_steps_without_a_past_give_a_range_all_the_same():
    layer = nn.LSTM(8, 4)
    memrix.calibrate(layer, [X[:1]], PHYSICAL)
    with torch.no_grad():
        assert torch.isfinite(memrix.program(layer, PHYSICAL)(X[:1])[0]).all()


class TestBadInput:
    def test_pattern_of_the_whole_layer(self):
        with pytest.raises(ConversionError, match=r"'attention\.\*' matches the layers inside"):
            memrix.calibrate(Net(), [X], PHYSICAL, layers="attention")

    def test_subclass_that_computes_something_else(self):
        class Louder(nn.MultiheadAttention):
            def forward(self, *inputs, **options):
                return 2 * super().forward(*inputs, **options)[0], None

        model = nn.ModuleDict({"a": Louder(8, 2)})
        with pytest.raises(ConversionError, match="Louder overrides forward of MultiheadAttention"):
            memrix.calibrate(model, [X], PHYSICAL, layers="a.out_proj")

    @pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
    @pytest.mark.filterwarnings("ignore::FutureWarning")
    def test_weights_that_are_computed(self, norm):
        model = nn.ModuleDict({"rnn": norm(nn.LSTM(8, 4), "weight_hh_l0")})
        with pytest.raises(ConversionError, match="remove"):
            memrix.calibrate(model, [X], PHYSICAL, layers="rnn")

    def test_parameters_that_are_shared(self):
        first, second = nn.MultiheadAttention(8, 2), nn.MultiheadAttention(8, 2)
        second.in_proj_weight = first.in_proj_weight
        with pytest.raises(ConversionError, match=r"'0\.q_proj' and '1\.q_proj' share one weight"):
            memrix.calibrate(nn.Sequential(first, second), [X], PHYSICAL)


def test_former_names_of_composites_warn():
    with pytest.warns(DeprecationWarning, match="use memrix.nn.DecomposedLayer"):
        assert memrix.nn.OpenedLayer is DecomposedLayer
    with pytest.warns(DeprecationWarning, match="use Composite.decomposed"):
        composite = Composite(nn.Linear, opened=DecomposedLayer, submodules=dict)
    assert composite.decomposed is DecomposedLayer
