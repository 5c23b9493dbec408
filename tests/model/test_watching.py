"""Weights that are read past their layer: known from the code, from a run, and never silent."""

import copy
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

import memrix
from memrix.errors import CalibrationError, ConversionError, CoverageWarning, SettingsError
from memrix.model.watching import Watch
from tests.nn.decomposing import randn

IDEAL = memrix.Hardware.preset("ideal")
X = randn(32, 8)


class Called(nn.Module):
    """Two layers, both called; subclasses do something else with the second."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        return self.second(self.first(x))


class Reading(Called):
    def forward(self, x):
        return functional.linear(self.first(x), self.second.weight, self.second.bias)


class ReadingParts(Called):
    """Reads a view of the weight, as the code of state space models does."""

    def forward(self, x):
        weight = self.second.weight[:4].t()
        return self.first(x) @ weight


class ReadingByName(Called):
    """What code alone does not tell."""

    def forward(self, x):
        return functional.linear(self.first(x), dict(self.named_parameters())["second.weight"])


class ByForward(Called):
    """Calls the function of a layer rather than the layer, past every hook."""

    def forward(self, x):
        return self.second.forward(self.first(x))


class CallingAndReading(Called):
    def forward(self, x):
        return self.second(self.first(x)) + self.second.weight.mean()


class Penalized(Called):
    """Another module reads the weight of a layer that is called."""

    def __init__(self) -> None:
        super().__init__()
        self.penalty = Penalty()

    def forward(self, x):
        return super().forward(x) + self.penalty(self)


class Penalty(nn.Module):
    def forward(self, net):
        return net.second.weight.square().mean()


class Asking(Called):
    """Asks a weight for its type and shape, which no cell need answer."""

    def forward(self, x):
        zeros = self.second.weight.new_zeros(x.shape)
        return self.second(self.first(x.to(self.second.weight.dtype))) + zeros


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(8, 8), nn.Linear(8, 8, bias=False)
        self.head.weight = self.table.weight

    def forward(self, ids):
        return self.head(self.table(ids))


def reasons(model: nn.Module) -> dict[str, str]:
    return {layer.name: layer.reason for layer in memrix.summary(model).digital}


@pytest.mark.parametrize("kind", [Reading, ReadingParts])
def test_check_knows_from_the_code_which_layers_are_read_and_never_called(kind):
    model = kind()
    check = memrix.check(model, IDEAL)
    assert check.ok
    assert [layer.name for layer in check.layers] == ["first"]
    (digital,) = check.digital
    assert digital.name == "second"
    assert digital.reason == f"{kind.__name__} reads its weight instead of calling it"
    with pytest.warns(CoverageWarning, match="instead of calling it"):
        memrix.calibrate(model, [X], IDEAL)
    chip = memrix.program(model, IDEAL, layers="first")
    memrix.quantize(model, IDEAL, layers="first")
    torch.testing.assert_close(chip(X), model(X), rtol=1e-4, atol=1e-5)
    assert "second" in reasons(chip)
    with pytest.raises(ConversionError, match=r"'second' cannot be mapped: .* instead of calling it"):
        memrix.calibrate(kind(), [X], IDEAL, layers="second")


@pytest.mark.filterwarnings("ignore::memrix.errors.CoverageWarning")  # of the copy
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ReadingByName, "read by ReadingByName '(the model)' and the layer is never called"),
        (ByForward, "read by ByForward '(the model)' and the layer is never called"),
        (CallingAndReading, "also read outside of its calls, by CallingAndReading '(the model)'"),
        (Penalized, "also read outside of its calls, by Penalty 'penalty'"),
    ],
)
def test_a_run_shows_which_weights_are_read_past_their_layer(kind, reason):
    model = kind()
    assert [layer.name for layer in memrix.check(model, IDEAL).layers] == ["first", "second"]
    check = memrix.check(model, IDEAL, batches=[X])
    assert [layer.name for layer in check.layers] == ["first"]
    assert [reason in layer.reason for layer in check.digital] == [True]
    (problem,) = memrix.check(model, IDEAL, layers=["first", "second"], batches=[X]).problems
    assert reason in problem
    with pytest.warns(CoverageWarning, match="outside of its calls|never called"):
        memrix.calibrate(model, [X], IDEAL)
    fake_quantized = copy.deepcopy(model)
    chip = memrix.program(model, IDEAL)
    memrix.quantize(fake_quantized, IDEAL)
    for each in (chip, fake_quantized):
        assert type(each.second) is nn.Linear
        assert reason in reasons(chip)["second"]
    torch.testing.assert_close(chip(X), fake_quantized(X), rtol=1e-4, atol=1e-5)
    with pytest.raises(ConversionError, match=r"(?s)'second' cannot be mapped: its .*have the model call them"):
        memrix.calibrate(kind(), [X], IDEAL, layers=["first", "second"])


def test_code_that_may_read_a_weight_of_a_called_layer_is_noted():
    noted = memrix.check(CallingAndReading(), IDEAL).notes
    assert any("CallingAndReading has code that reads the weight" in note and "second" in note for note in noted)
    assert not any(
        "has code that reads" in note for note in memrix.check(CallingAndReading(), IDEAL, batches=[X]).notes
    )


@pytest.mark.parametrize(("kind", "batch"), [(Called, X), (Asking, X), (Tied, torch.arange(8))])
def test_layers_that_are_only_called_are_mapped(kind, batch):
    model = kind()
    expected = [name for name, module in model.named_modules() if type(module) is nn.Linear]
    for check in (memrix.check(model, IDEAL), memrix.check(model, IDEAL, batches=[batch])):
        assert [layer.name for layer in check.layers] == expected
        assert not any("reads" in note for note in check.notes)
    memrix.calibrate(model, [batch], IDEAL)
    assert [layer.name for layer in memrix.summary(memrix.program(model, IDEAL)).layers] == expected


def test_parts_of_composite_layers_are_called():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.rnn = nn.MultiheadAttention(8, 2), nn.GRU(8, 8)

        def forward(self, x):
            return self.rnn(self.attention(x, x, x)[0])[0]

    model = Net()
    check = memrix.check(model, IDEAL, batches=[randn(4, 2, 8)])
    assert len(check.layers) == 4 + 2
    assert type(model.attention) is nn.MultiheadAttention
    memrix.calibrate(model, [randn(4, 2, 8)], IDEAL)


def test_a_part_whose_rows_are_read_elsewhere_is_named_alone():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2)

        def forward(self, x):
            return self.attention(x, x, x)[0] + self.attention.in_proj_weight[8:16].mean()

    model = Net()
    with pytest.warns(CoverageWarning, match="'attention.k_proj' .its weight is also read"):
        memrix.calibrate(model, [randn(4, 2, 8)], IDEAL)
    names = [layer.name for layer in memrix.check(model, IDEAL).layers]
    assert names == ["attention.q_proj", "attention.v_proj", "attention.out_proj"]


def test_a_later_calibration_looks_anew():
    model = Penalized()
    with pytest.warns(CoverageWarning):
        memrix.calibrate(model, [X], IDEAL)
    model.penalty.forward = lambda net: 0.0
    memrix.calibrate(model, [X], IDEAL)
    assert len(memrix.check(model, IDEAL).layers) == 2


def test_nothing_left_to_map_is_an_error_with_the_reasons():
    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x):
            return x @ next(self.parameters())

    with pytest.raises(ConversionError, match="no layer left to map: 'layer': its weight is read by Alone"):
        memrix.calibrate(Alone(), [X], IDEAL)


def test_compiled_models_are_watched_as_they_are_written():
    model = nn.Sequential(torch.compile(CallingAndReading(), backend="eager"), nn.Linear(8, 8))
    with pytest.warns(CoverageWarning, match="by CallingAndReading '0._orig_mod'"):
        memrix.calibrate(model, [X, X], IDEAL)


def test_a_watch_sees_its_own_thread_and_nothing_afterwards():
    model = Called()
    watch = Watch(model, {"first": model.first})
    with watch.watching():
        thread = threading.Thread(target=lambda: model(X))
        thread.start()
        thread.join()
    model.first.weight.sum()
    assert not watch.uses["first"].called
    assert watch.uses["first"].objection is None
    with watch.watching():
        model.first.weight.sum()
    assert "the code around the model" in watch.uses["first"].objection


def test_a_failing_layer_is_left_when_it_fails():
    class Failing(Called):
        def forward(self, x):
            try:
                self.first(x[:, :3])
            except RuntimeError:
                return self.second(x) + self.first.weight.sum()

    model = Failing()
    watch = Watch(model, {"first": model.first, "second": model.second})
    with watch.watching():
        model(X)
    assert watch.uses["first"].objection is not None
    assert watch.uses["second"].objection is None


class Experts(nn.Module):
    """Two of four experts get a token."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        return self.experts[0](x) + self.experts[1](x)


def test_unreached_layers_are_an_error_that_names_the_way_out():
    with pytest.raises(CalibrationError, match=r"experts.2, experts.3; .*unreached='digital'"):
        memrix.calibrate(Experts(), [X], IDEAL)
    with pytest.raises(SettingsError, match="unreached must be 'error' or 'digital', got 'skip'"):
        memrix.calibrate(Experts(), [X], IDEAL, unreached="skip")
    check = memrix.check(Experts(), IDEAL, batches=[X])
    assert any("not reached by these batches: experts.2, experts.3" in note for note in check.notes)


@pytest.mark.parametrize("layers", [None, "*", "experts.*", lambda name, module: True])
def test_unreached_layers_can_stay_digital(layers):
    model = Experts()
    with pytest.warns(CoverageWarning, match="'experts.2' .no batch"):
        memrix.calibrate(model, [X], IDEAL, layers=layers, unreached="digital")
    chip = memrix.program(model, IDEAL, layers=layers)
    memrix.quantize(model, IDEAL, layers=layers)
    assert [layer.name for layer in memrix.summary(chip).layers] == ["experts.0", "experts.1"]
    assert reasons(chip) == dict.fromkeys(("experts.2", "experts.3"), "no batch of its calibration reached it")
    assert type(model.experts[2]) is nn.Linear
    torch.testing.assert_close(chip(X), model(X), rtol=1e-4, atol=1e-5)
    with pytest.raises(ConversionError, match=r"'experts.3' stays digital: no batch of its calibration"):
        memrix.program(model, IDEAL, layers=["experts.0", "experts.3"])
