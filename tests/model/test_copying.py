"""Whatever a model holds besides tensors, a documented flow ends in a chip or says which attribute is in the way."""

import threading
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import memrix
from memrix.errors import CheckpointError, ConversionError, InputError
from memrix.model.contents import Contents
from memrix.model.copying import copy_model

PHYSICAL = memrix.Hardware.preset("physical")
X = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))


def copied(model):
    return copy_model(model, Contents.of(model))[0]


def trained_chip(model: nn.Module) -> nn.Module:
    """The documented flow: quantize, train a step, program."""
    memrix.quantize(model, PHYSICAL, memrix.Quantization(observer="min-max"), layers="0")
    model.train()
    model(X).sum().backward()
    return memrix.program(model, PHYSICAL, layers="0")


class Keeps(nn.Sequential):
    """Keeps activations on itself, as it was called."""

    def forward(self, x):
        self.feature = super().forward(x)
        self.seen = {"last": [self.feature, self.feature.view(-1)]}
        return self.feature


def test_activations_that_a_module_keeps_are_detached():
    model = Keeps(nn.Linear(8, 8))
    memrix.calibrate(model, [X], PHYSICAL)
    feature = model(X)
    chip = memrix.program(model, PHYSICAL)
    assert torch.equal(chip.feature, feature)
    assert not chip.feature.requires_grad
    assert chip.feature is chip.seen["last"][0]
    # Views stay views of one storage, and the model keeps its own.
    assert chip.seen["last"][1].data_ptr() == chip.feature.data_ptr() != model.feature.data_ptr()
    assert model.feature is feature
    assert feature.requires_grad
    chip(X)


def test_a_model_that_keeps_activations_is_trained_and_programmed():
    assert memrix.summary(trained_chip(Keeps(nn.Linear(8, 8)))).cells == 8 * 8 * 3 * 2


def test_weights_that_are_computed_at_each_call_are_copied():
    pruned = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    prune.l1_unstructured(pruned[1], "weight", 0.5)
    with pytest.warns(FutureWarning):
        normed = nn.Sequential(nn.Linear(8, 8), nn.utils.weight_norm(nn.Linear(8, 8)))
    for model in (pruned, normed):
        chip = trained_chip(model)
        assert torch.equal(chip[1].weight, model[1].weight)
        chip(X)


def test_nested_and_sparse_tensors_that_a_module_keeps_are_copied():
    model = nn.Sequential(nn.Linear(8, 8))
    model.ragged = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)
    model.sparse = torch.eye(3).to_sparse()
    chip = copied(model)
    assert [part.tolist() for part in chip.ragged.unbind()] == [[1, 1], [1, 1, 1]]
    assert torch.equal(chip.sparse.to_dense(), torch.eye(3))


def test_what_cannot_be_copied_is_shared(tmp_path):
    class Pool:
        def __init__(self) -> None:
            self.lock, self.sizes = threading.Lock(), [1, 2]

    model = nn.Sequential(nn.Linear(8, 8))
    model.lock = threading.Lock()
    model.pool = Pool()
    model.numbers = (number for number in range(3))
    model.library = torch
    model.local = threading.local()
    with Path(tmp_path / "log").open("w") as log:
        model.log = log
        memrix.calibrate(model, [X], PHYSICAL)
        chip = memrix.program(model, PHYSICAL)
    for name in ("lock", "numbers", "library", "local", "log"):
        assert getattr(chip, name) is getattr(model, name)
    # Only the lock of an object is shared, not the object.
    assert chip.pool is not model.pool
    assert chip.pool.lock is model.pool.lock
    assert chip.pool.sizes == [1, 2]
    assert chip.pool.sizes is not model.pool.sizes
    chip(X)


def test_random_generators_go_on_from_where_they_are_each_on_its_own():
    model = nn.Sequential(nn.Linear(8, 8))
    model.generator = torch.Generator().manual_seed(3)
    chip = copied(model)
    expected = torch.rand(4, generator=torch.Generator().manual_seed(3))
    assert torch.equal(torch.rand(4, generator=chip.generator), expected)
    assert torch.equal(torch.rand(4, generator=model.generator), expected)


class Child(nn.Module):
    """Calls a layer of its parent, which it knows as ``kind`` says."""

    def __init__(self, parent: nn.Module, kind: str) -> None:
        super().__init__()
        self.kind = kind
        if kind == "list":
            self.parent = [parent]
        elif kind == "attribute":
            object.__setattr__(self, "parent", parent)
        elif kind == "weak":
            self.parent = weakref.ref(parent)
        elif kind == "weak in a dict":
            self.parents = {"first": [weakref.ref(parent)]}
        else:
            object.__setattr__(self, "parent", weakref.proxy(parent))

    def known(self) -> nn.Module:
        if self.kind == "list":
            return self.parent[0]
        if self.kind == "weak":
            return self.parent()
        return self.parents["first"][0]() if self.kind == "weak in a dict" else self.parent

    def forward(self, x):
        return self.known().layer(x)


class Parent(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.child = Child(self, kind)

    def forward(self, x):
        return self.child(x)


@pytest.mark.parametrize("kind", ["list", "attribute", "weak", "weak in a dict", "proxy"])
def test_a_child_that_refers_to_its_parent_calls_the_layers_of_the_copy(kind):
    model = Parent(kind)
    memrix.calibrate(model, [X], PHYSICAL)
    chip = memrix.program(model, PHYSICAL)
    assert chip.child.known().layer is chip.layer
    assert model.child.known().layer is model.layer
    assert [name for name, _ in chip.named_modules()][:3] == ["", "layer", "layer.memrix"]
    chip(X)
    assert memrix.summary(chip).conversions > 0


def test_a_weak_reference_that_cannot_be_replaced_is_refused():
    model = Parent("weak")
    model.child.parents = (model.child.parent,)  # a tuple
    del model.child.parent
    memrix.calibrate(model.layer, [X], PHYSICAL)
    with pytest.raises(ConversionError, match=r"'child\.parents\[0\]' holds 'ReferenceType'.* inplace=True"):
        memrix.program(model, PHYSICAL)


def test_a_weak_reference_to_what_is_gone_or_elsewhere_stays():
    model = nn.Sequential(nn.Linear(8, 8))
    elsewhere = nn.Linear(2, 2)
    model.other, model.gone = weakref.ref(elsewhere), weakref.ref(nn.Linear(2, 2))
    chip = copied(model)
    assert chip.other() is elsewhere
    assert chip.gone() is None


def test_an_attribute_that_refuses_to_be_copied_is_named_and_inplace_is_the_way_out():
    class Unique:
        def __deepcopy__(self, memo):
            raise RuntimeError("there is but one")

    model = nn.Sequential(nn.Linear(8, 8), nn.Sequential())
    model[1].key = Unique()
    memrix.calibrate(model, [X], PHYSICAL)
    with pytest.raises(ConversionError, match=r"attribute '1\.key' raises RuntimeError: there is but one;.*inplace"):
        memrix.program(model, PHYSICAL)
    assert memrix.program(model, PHYSICAL, inplace=True) is model


def test_a_chain_of_attributes_that_is_too_deep_is_explained():
    model = nn.Sequential(nn.Linear(8, 8))
    chain: list = []
    for _ in range(2000):
        chain = [chain]
    model.chain = chain
    memrix.calibrate(model, [X], PHYSICAL)
    with pytest.raises(ConversionError, match=r"more deeply than Python goes; .*inplace=True"):
        memrix.program(model, PHYSICAL)
    memrix.program(model, PHYSICAL, inplace=True)


def test_a_module_that_is_its_own_ancestor_is_refused():
    model = nn.Sequential(nn.Linear(8, 8), nn.Sequential())
    model[1].parent = model
    for verb in (memrix.program, memrix.quantize):
        with pytest.raises(ConversionError, match=r"'1\.parent' is the module that holds it"):
            verb(model, PHYSICAL)
    assert not memrix.check(model, PHYSICAL).ok


class CopiesNothing(nn.Sequential):
    """Gives itself as its copy."""

    def __deepcopy__(self, memo):
        return self


class CopiesByHand(nn.Sequential):
    """Makes new layers for its copy, which the memo does not know."""

    def __deepcopy__(self, memo):
        made = type(self)(*(nn.Linear(each.in_features, each.out_features) for each in self))
        made.load_state_dict(self.state_dict(), strict=False)
        return made


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (CopiesNothing(nn.Linear(8, 8)), "it gives itself as its copy"),
        (nn.Sequential(CopiesNothing(nn.Linear(8, 8))), "module '0' gives itself as its copy"),
        (nn.Sequential(CopiesByHand(nn.Linear(8, 8))), r"in the place of layer '0\.0', without its ranges"),
    ],
)
def test_modules_that_do_not_copy_themselves_are_named_and_convert_in_place(model, told):
    memrix.calibrate(model, [X], PHYSICAL)
    with pytest.raises(ConversionError, match=told):
        memrix.program(model, PHYSICAL)
    assert not any(type(module).__name__.startswith("Memristor") for module in model.modules())
    assert memrix.program(model, PHYSICAL, inplace=True)(X).shape == (32, 8)


def test_loading_a_chip_never_changes_a_model_that_gives_itself_as_its_copy(tmp_path):
    model = nn.Sequential(nn.Sequential(nn.Linear(8, 8)))
    memrix.calibrate(model, [X], PHYSICAL)
    memrix.save(memrix.program(model, PHYSICAL), tmp_path / "chip.safetensors")
    shared = nn.Sequential(CopiesNothing(nn.Linear(8, 8)))
    weight = shared[0][0].weight.clone()
    with pytest.raises(CheckpointError, match="gives itself as its copy"):
        memrix.load(tmp_path / "chip.safetensors", shared)
    assert type(shared[0][0]) is nn.Linear
    assert torch.equal(shared[0][0].weight, weight)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::memrix.errors.CoverageWarning")
def test_scripted_modules_stay_digital_beside_layers_on_a_chip():
    model = nn.Sequential(torch.jit.script(nn.Linear(8, 8)), nn.Linear(8, 8))
    memrix.calibrate(model, [X], PHYSICAL)
    chip = memrix.program(model, PHYSICAL)
    assert torch.equal(chip[0](X), model[0](X))
    assert memrix.summary(chip).cells == 8 * 8 * 3 * 2
    with pytest.raises(InputError):
        memrix.calibrate(model, [X * float("nan")], PHYSICAL)
