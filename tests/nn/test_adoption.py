"""Classes that memrix mixes into those of torch layers, of layers with one matrix and of those with several."""

import copy
import io
import pickle
import pickletools

import pytest
import torch
from torch import nn

import memrix
from memrix.nn import CrossbarLayer, DecomposedLayer, MemristorLinear, QuantizedLayer
from memrix.nn.adoption import AdoptedLayer, adopt, adopted_class, give_back, sharing, torch_type
from memrix.nn.recurrent import DecomposedRecurrent

MIXINS = [
    (QuantizedLayer, nn.ConvTranspose1d),
    (CrossbarLayer, nn.Linear),
    (DecomposedRecurrent, nn.LSTM),
]
IDS = ["quantized", "on a crossbar", "decomposed"]
X = torch.randn(5, 3, 8, generator=torch.Generator().manual_seed(0))


class MyLinear(nn.Linear):
    pass


class MyOtherLinear(MyLinear):
    pass


class Labeled(nn.Module):
    label = "mine"


class MyLabeledLinear(Labeled, MyLinear):
    pass


class MyLSTM(nn.LSTM):
    pass


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.rnn = MyLinear(8, 8), MyLSTM(8, 4)

    def forward(self, x):
        return self.rnn(self.linear(x))[0]


def quantized_net() -> nn.Module:
    model = Net().eval()
    memrix.calibrate(model, [X], memrix.Hardware())
    memrix.quantize(model, memrix.Hardware(), memrix.Quantization(learned_steps=True, output_quantizers=True))
    memrix.calibrate(model, [X], memrix.Hardware())
    return model


@pytest.mark.parametrize(("mixin", "layer"), MIXINS, ids=IDS)
class TestEveryMixin:
    def test_there_is_one_class_for_each_pair(self, mixin, layer):
        assert adopted_class(mixin, layer) is adopted_class(mixin, layer)
        assert torch_type(adopted_class(mixin, layer)) is layer

    def test_it_is_both(self, mixin, layer):
        kind = adopted_class(mixin, layer)
        assert issubclass(kind, mixin)
        assert issubclass(kind, layer)
        assert kind.forward is mixin.forward

    def test_a_subclass_of_a_layer_stays_one_when_both_are_adopted(self, mixin, layer):
        derived = adopted_class(mixin, type("Derived", (layer,), {}))  # before its parent is asked for
        assert issubclass(derived, adopted_class(mixin, layer))

    def test_a_pickle_of_a_class_names_what_it_was_made_from(self, mixin, layer):
        adopted = adopt(layer(2, 2, 1), mixin)
        arguments = [argument for _, argument, _ in pickletools.genops(pickle.dumps(adopted, 0))]
        assert f"{layer.__module__} {layer.__name__}" in arguments
        assert f"{mixin.__module__} {mixin.__name__}" in arguments
        assert type(pickle.loads(pickle.dumps(adopted))) is adopted_class(mixin, layer)


@pytest.mark.parametrize(
    ("mixin", "layer", "name"),
    [
        (QuantizedLayer, MyLinear, "QuantizedMyLinear"),
        (CrossbarLayer, MyLinear, "MemristorMyLinear"),
        (DecomposedRecurrent, MyLSTM, "DecomposedMyLSTM"),
    ],
)
def test_names_begin_with_the_word_of_the_mixin_or_of_its_parent(mixin, layer, name):
    assert adopted_class(mixin, layer).__name__ == name


def test_subclasses_of_subclasses_and_of_several_classes_keep_their_relations():
    labeled = adopted_class(CrossbarLayer, MyLabeledLinear)
    assert issubclass(labeled, MemristorLinear)
    assert issubclass(labeled, adopted_class(CrossbarLayer, MyLinear))
    assert not issubclass(labeled, adopted_class(CrossbarLayer, MyOtherLinear))
    assert labeled.label == "mine"


def test_attributes_of_a_layer_go_before_defaults_and_behind_those_of_the_mixin():
    class Defaults:
        here, there = "default", "default"

    class Mixin(AdoptedLayer, prefix="Mixed", defaults=(Defaults,)):
        kind = "mixin"

    class Layer(nn.Linear):
        here, kind = "layer", "layer"

    layer = adopt(Layer(2, 2), Mixin)
    assert (layer.here, layer.there, layer.kind) == ("layer", "default", "mixin")
    assert type(layer).__name__ == "MixedLayer"


def test_a_layer_stays_the_same_object_and_gets_its_class_back():
    layer = MyLinear(2, 2)
    inside, calls = dict(vars(layer)), []
    layer.register_forward_hook(lambda *_: calls.append(1))
    assert adopt(layer, DecomposedLayer) is layer
    assert type(layer).__name__ == "DecomposedMyLinear"
    give_back(layer)
    assert type(layer) is MyLinear
    assert vars(layer).keys() == inside.keys()
    layer(torch.zeros(1, 2))
    assert calls == [1]


def test_a_layer_that_is_adopted_again_leaves_the_class_that_it_had():
    layer = nn.Linear(2, 2)
    adopt(layer, QuantizedLayer)
    adopt(layer, CrossbarLayer)
    assert type(layer) is MemristorLinear
    give_back(layer)
    assert type(layer) is nn.Linear


def test_a_layer_that_shares_tensors_can_be_given_others():
    layer = nn.Linear(2, 2)
    layer.register_buffer("mask", torch.ones(2))
    other = sharing(layer, DecomposedLayer)
    assert other.weight is layer.weight
    assert other.mask is layer.mask
    other.mask = torch.zeros(2)
    other.add_module("child", nn.ReLU())
    del other.bias
    assert layer.mask.tolist() == [1, 1]
    assert dict(layer.named_children()) == {}
    assert layer.bias is not None
    assert type(layer) is nn.Linear


def pickled(model: nn.Module) -> nn.Module:
    return pickle.loads(pickle.dumps(model))


def saved(model: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(model, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=False)


class TestWholeModels:
    @pytest.mark.parametrize("way", ["pickle", "deepcopy", "torch.save"])
    @pytest.mark.parametrize("made", ["quantized", "programmed"])
    def test_copies_are_of_the_same_classes_and_compute_the_same(self, way, made):
        model = quantized_net()
        if made == "programmed":
            model = memrix.program(model, memrix.Hardware())
        ways = {"pickle": pickled, "deepcopy": copy.deepcopy, "torch.save": saved}
        copied = ways[way](model)
        assert [type(module) for module in copied.modules()] == [type(module) for module in model.modules()]
        for chip in (model, copied) if made == "programmed" else ():
            memrix.reseed(chip, read=0)
        with torch.no_grad():
            assert torch.equal(copied(X), model(X))
        assert copied.state_dict().keys() == model.state_dict().keys()

    def test_a_model_is_of_its_own_classes_again(self):
        model, fresh = quantized_net(), Net()
        digital = memrix.to_digital(memrix.program(model, memrix.Hardware()))
        assert [type(module) for module in digital.modules()] == [type(module) for module in fresh.modules()]
