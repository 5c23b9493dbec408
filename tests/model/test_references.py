"""Functions that a copy of a model shares with it would run the original: they are found and refused."""

import functools
import threading
import types
import weakref

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import CheckpointError, ConversionError

COARSE = memrix.Hardware.preset("physical").replace(weight_bits=2)
X = torch.randn(16, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Two layers, called by whatever ``run`` is."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.a = nn.Linear(6, 8)
            self.b = nn.Linear(8, 4)

    def forward(self, x):
        return self.b(self.a(x).relu())


class Runs(Net):
    def forward(self, x):
        return self.run(x)


class Holder:
    """No module, and holds what it is given."""

    def __init__(self, held) -> None:
        self.held = held


def compute(model, x):
    return model.b(model.a(x).relu())


def with_run(run_of) -> Net:
    model = Runs()
    model.run = run_of(model)
    return model


def by_closure() -> Net:
    return with_run(lambda model: lambda x: compute(model, x))


def by_default() -> Net:
    def run_of(model):
        def run(x, model=model):
            return compute(model, x)

        return run

    return with_run(run_of)


def by_keyword_default() -> Net:
    def run_of(model):
        def run(x, *, model=model):
            return compute(model, x)

        return run

    return with_run(run_of)


def by_closure_over_a_list() -> Net:
    def run_of(model):
        layers = [model.a, model.b]
        return lambda x: layers[1](layers[0](x).relu())

    return with_run(run_of)


def by_closure_over_an_object() -> Net:
    def run_of(model):
        holder = Holder({"model": model})
        return lambda x: compute(holder.held["model"], x)

    return with_run(run_of)


def by_a_function_in_a_function() -> Net:
    def run_of(model):
        def inner(x):
            return compute(model, x)

        def outer(x):
            return inner(x)

        return outer

    return with_run(run_of)


def by_weights_alone() -> Net:
    def run_of(model):
        first, second = model.a.weight, model.b.weight
        return lambda x: (x @ first.t()).relu() @ second.t()

    return with_run(run_of)


def by_a_weak_reference_in_a_closure() -> Net:
    def run_of(model):
        known = weakref.ref(model)
        return lambda x: compute(known(), x)

    return with_run(run_of)


def by_a_partial_of_a_closure() -> Net:
    return with_run(lambda model: functools.partial(lambda scale, x: scale * compute(model, x), 1.0))


def by_a_cache() -> Net:
    return with_run(lambda model: functools.lru_cache(functools.partial(compute, model)))


def by_wrapped_forward() -> Net:
    model = Net()
    model.forward = torch.no_grad()(model.forward)
    return model


def by_an_old_hook_of_accelerate() -> Net:
    model = Net()
    old = model.forward

    @functools.wraps(old)
    def forward(*inputs, **named):
        return old(*inputs, **named)

    model._old_forward, model.forward = old, forward
    return model


def by_hook() -> Net:
    model = Net()
    model.register_forward_hook(lambda module, inputs, output: compute(model, inputs[0]))
    return model


def by_list() -> Net:
    model = Runs()
    model.steps = [lambda x: model.b(model.a(x).relu())]
    model.run = types.MethodType(lambda self, x: self.steps[0](x), model)
    return model


def by_dict_in_an_object() -> Net:
    model = Runs()
    model.table = Holder({"step": lambda x: model.b(model.a(x).relu())})
    model.run = types.MethodType(lambda self, x: self.table.held["step"](x), model)
    return model


def by_a_read_only_mapping() -> Net:
    model = Runs()
    model.table = types.MappingProxyType({"step": lambda x: compute(model, x)})
    model.run = types.MethodType(lambda self, x: self.table["step"](x), model)
    return model


def by_a_static_method_of_the_instance() -> Net:
    model = Runs()
    model.step = staticmethod(lambda x: compute(model, x))
    model.run = types.MethodType(lambda self, x: self.step(x), model)
    return model


GLOBAL = Runs()
GLOBAL.run = lambda x: compute(GLOBAL, x)


def by_global_name() -> Net:
    return GLOBAL


STALE = {
    by_closure: "'run'",
    by_default: "'run'",
    by_keyword_default: "'run'",
    by_closure_over_a_list: "'run'",
    by_closure_over_an_object: "'run'",
    by_a_function_in_a_function: "'run'",
    by_weights_alone: "'run'",
    by_a_weak_reference_in_a_closure: "'run'",
    by_a_partial_of_a_closure: r"'run\[0\]'|'run'",
    by_a_cache: "'run'",
    by_wrapped_forward: "'forward'",
    by_an_old_hook_of_accelerate: "'forward'",
    by_hook: r"_forward_hooks",
    by_list: r"'steps\[0\]'",
    by_dict_in_an_object: r"table\.held\['step'\]",
    by_a_read_only_mapping: "'table'",
    by_a_static_method_of_the_instance: "'step'",
    by_global_name: "'run'",
}


def ready(made) -> nn.Module:
    model = made()
    if made is by_weights_alone:  # no layer is called, so there is nothing to calibrate on
        for layer in (model.a, model.b):
            memrix.calibrate(layer, [torch.randn(4, layer.in_features)], COARSE)
    else:
        memrix.calibrate(model, [X], COARSE)
    return model


@pytest.mark.parametrize(("made", "place"), STALE.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_functions_that_run_the_original_are_refused_by_name(made, place):
    model = ready(made)
    with pytest.raises(ConversionError, match=rf"attribute .*({place}).* inplace=True"):
        memrix.program(model, COARSE)
    problems = memrix.check(model, COARSE).problems
    assert len(problems) == 1
    assert "inplace=True" in problems[0]
    assert memrix.check(model, COARSE, inplace=True).ok


@pytest.mark.parametrize("made", [m for m in STALE if m not in (by_weights_alone, by_global_name)])
def test_the_model_itself_becomes_the_chip_that_its_functions_run(made):
    reference = Net()
    memrix.calibrate(reference, [X], COARSE)
    expected = memrix.program(reference, COARSE)(X)
    model = ready(made)
    assert memrix.program(model, COARSE, inplace=True) is model
    # The first reading of both: those of the same seed are the same, unless a hook reads twice.
    if made is not by_hook:
        assert torch.equal(model(X.clone()), expected)
    model(X.clone())  # a cache knows X from the calibration
    assert all(layer.conversions for layer in memrix.summary(model).layers)


@pytest.mark.parametrize("made", [m for m in STALE if m not in (by_weights_alone, by_global_name)])
def test_functions_of_a_quantized_model_run_its_quantized_layers(made):
    model, reference = ready(made), Net()
    memrix.calibrate(reference, [X], COARSE)
    for each in (model, reference):
        memrix.quantize(each, COARSE)
    assert torch.equal(model(X.clone()), reference(X))


def test_a_child_that_was_compiled_before_is_refused_by_name():
    model = Runs()
    model.compiled = torch.compile(model.a, backend="eager")
    memrix.calibrate(model.a, [X], COARSE)
    with pytest.raises(ConversionError, match=r"'compiled\..*keep the layer itself and call it"):
        memrix.program(model, COARSE, layers="a", inplace=True)


def test_functions_that_refer_to_the_copy_are_no_obstacle():
    class Called(Net):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()
            self.steps = [self.first, functools.partial(self.second, scale=1.0)]
            self.call = self.a.__call__
            self.register_forward_hook(self.count)
            self.calls = 0
            self.helper = lambda x: torch.relu(x) + len(STALE) * 0

        def first(self, x):
            return self.helper(self.call(x))

        def second(self, x, scale):
            return scale * self.b(x)

        def count(self, *_):
            self.calls += 1

        def forward(self, x):
            for step in self.steps:
                x = step(x)
            return x

    model = Called()
    memrix.calibrate(model, [X], COARSE)
    calls = model.calls
    chip = memrix.program(model, COARSE)
    chip(X)
    assert all(layer.conversions for layer in memrix.summary(chip).layers)
    assert (model.calls, chip.calls) == (calls, calls + 1)


@pytest.mark.parametrize("inplace", [False, True])
def test_a_method_of_a_layer_that_is_converted_is_refused(inplace):
    model = Runs()
    memrix.calibrate(model.a, [X], COARSE)
    model.run = model.a.forward  # nn.Linear's own, whatever the layer becomes
    for verb in (
        lambda: memrix.program(model, COARSE, layers="a", inplace=inplace),
        lambda: memrix.quantize(model, COARSE, layers="a"),
        lambda: memrix.calibrate(model, [X], COARSE, layers="a"),
    ):
        with pytest.raises(
            ConversionError, match=r"'run' holds the method 'forward' that layer 'a' has now.*call it"
        ):
            verb()
    assert not memrix.check(model, COARSE, layers="a", inplace=inplace).ok


def test_a_method_of_a_layer_in_a_closure_is_refused_in_place_too():
    model = Net()
    forward = model.a.forward
    model.forward = lambda x: model.b(forward(x).relu())
    memrix.calibrate(model.a, [X], COARSE)
    with pytest.raises(ConversionError, match=r"'forward' holds the method 'forward' that layer 'a' has now"):
        memrix.quantize(model, COARSE)


def test_references_within_what_cannot_be_copied_are_found():
    class Worker:
        def __init__(self, model) -> None:
            self.model, self.lock = model, threading.Lock()

        def __reduce_ex__(self, protocol):
            raise TypeError("a worker stays where it is")

        def run(self, x):
            return compute(self.model, x)

    model = Runs()
    model.worker = Worker(model)
    model.run = types.MethodType(lambda self, x: self.worker.run(x), model)
    memrix.calibrate(model, [X], COARSE)
    with pytest.raises(ConversionError, match=r"attribute 'worker' holds 'Worker'"):
        memrix.program(model, COARSE)


def test_load_refuses_what_program_refuses(tmp_path):
    model = ready(by_closure)
    chip = memrix.program(model, COARSE, inplace=True)
    memrix.save(chip, tmp_path / "chip")
    fresh = by_closure()
    with pytest.raises(CheckpointError, match=r"attribute 'run' holds .* inplace=True"):
        memrix.load(tmp_path / "chip", fresh)
    assert type(fresh.a) is nn.Linear
    loaded = memrix.load(tmp_path / "chip", fresh, inplace=True)
    assert loaded is fresh
    memrix.reseed(chip, read=5)
    memrix.reseed(loaded, read=5)
    assert torch.equal(loaded(X), chip(X))
