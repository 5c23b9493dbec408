"""Batches that a model does not take are named by their number and the layer; those without end are ended."""

import itertools
import warnings

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import CalibrationError, InputError, MemrixError
from memrix.model.batches import run_batches

PHYSICAL = memrix.Hardware.preset("physical")
X = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.block = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 3))

    def forward(self, x):
        return self.block(self.first(x))


def chip() -> nn.Module:
    model = Net()
    memrix.calibrate(model, [X], PHYSICAL)
    return memrix.program(model, PHYSICAL)


VERBS = {
    "calibrate": lambda batches, **options: memrix.calibrate(Net(), batches, PHYSICAL, **options),
    "summary": lambda batches, **options: memrix.summary(chip(), batches, **options),
}
BOTH = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)

BAD = {
    "width": (torch.ones(4, 5), r"'first'.*\[4, 5\]"),
    "no axis": (torch.tensor(1.0), r"'first'.*\[\]"),
    "integers": (torch.ones(4, 6, dtype=torch.int64), r"'first'.*int64"),
    "complex": (torch.ones(4, 6, dtype=torch.complex64), r"'first'.*complex"),
    "sparse": (X.to_sparse(), r"'first' must be a dense tensor, got sparse_coo float32 \[4, 6\].*to_dense"),
    "nested": (
        torch.nested.nested_tensor([X, X[:2]], layout=torch.jagged),
        r"'first' must be a dense tensor, got a nested tensor",
    ),
    "device": (X.to("meta"), r"meta"),
    "a mapping in a tuple": (({"x": X},), r"'first' must be a dense tensor, got a dict"),
    "a wrong name": ({"y": X}, r"cannot be called with such a batch"),
    "no argument": ((), r"missing a required argument"),
    "text": ("hello", r"got str"),
    "nothing": (None, r"got NoneType"),
    "None in a tuple": ((None,), r"'first' must be a dense tensor, got a NoneType"),
    "text in a tuple": (("hello",), r"'first' must be a dense tensor, got a str"),
    "an array": (X.numpy(), r"got ndarray"),
    "NaN": (X * torch.nan, r"'first' holds NaN"),
}


@BOTH
@pytest.mark.parametrize(("batch", "said"), BAD.values(), ids=BAD)
def test_a_batch_that_is_not_taken_is_named(verb, batch, said):
    with pytest.raises(MemrixError, match=rf"^batch 3: .*{said}"):
        verb([X, X, batch])


def test_the_advice_is_for_what_was_given():
    net = Net()
    for batch, advice in (
        (
            torch.ones(4, 6, dtype=torch.int64),
            r"computes in torch\.float32: convert the batch with \.to\(torch\.float",
        ),
        (X.double(), r"computes in torch\.float32"),
        (X.to("meta"), r"the layer is on cpu: move the batch with \.to\('cpu'\)"),
    ):
        with pytest.raises(CalibrationError, match=advice):
            run_batches(net, [batch])


def test_a_digital_layer_is_named_too():
    model = nn.Sequential(nn.Linear(6, 6), nn.ModuleDict({"norm": nn.LayerNorm(5)})["norm"])
    with pytest.raises(
        CalibrationError, match=r"batch 1: layer '1' \(LayerNorm\) fails, called with float32 \[4, 6\]"
    ):
        memrix.calibrate(model, [X], PHYSICAL)


class UnhappyError(Exception):
    """An error of a user's own, that needs more than a text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@BOTH
def test_an_error_of_the_model_s_own_code_is_chained_and_has_the_number(verb):
    class Moody(Net):
        def forward(self, x):
            if x.shape[0] == 2:
                raise UnhappyError(7, "two are too few")
            return super().forward(x)

    model = Moody()
    run = (
        (lambda: memrix.calibrate(model, [X, X[:2]], PHYSICAL))
        if verb is VERBS["calibrate"]
        else (
            lambda: (
                memrix.calibrate(model, [X], PHYSICAL),
                memrix.summary(memrix.program(model, PHYSICAL), [X, X[:2]]),
            )
        )
    )
    with pytest.raises(
        CalibrationError, match=r"batch 2: the model \(Moody\) fails.*UnhappyError: two are too few"
    ) as caught:
        run()
    assert isinstance(caught.value.__cause__, UnhappyError)
    assert caught.value.__cause__.code == 7


def test_an_error_of_memrix_that_needs_more_than_a_text_keeps_its_words():
    class OddError(MemrixError):
        def __init__(self, code: int, text: str) -> None:
            super().__init__(text)

    class Model(nn.Module):
        def forward(self, x):
            raise OddError(1, "odd")

    with pytest.raises(CalibrationError, match="batch 1: odd"):
        run_batches(Model(), [X])


def test_batches_that_fail_to_come_are_chained():
    def batches():
        yield X
        raise OSError("the disk is gone")

    with pytest.raises(CalibrationError, match="batch 2 cannot be had: OSError: the disk is gone") as caught:
        memrix.calibrate(Net(), batches(), PHYSICAL)
    assert isinstance(caught.value.__cause__, OSError)


def test_empty_inputs_are_told_from_layers_that_are_not_run():
    with pytest.raises(CalibrationError, match=r"first, block\.1; the inputs of first, block\.1 were empty"):
        memrix.calibrate(Net(), [X[:0]], PHYSICAL)


@BOTH
@pytest.mark.parametrize(
    "batches", [itertools.cycle([X]), itertools.repeat(X), itertools.count()], ids=lambda value: type(value).__name__
)
def test_iterables_that_never_end_are_refused_at_once(verb, batches):
    with pytest.raises(CalibrationError, match=r"never ends; .*islice"):
        verb(batches)


@BOTH
def test_more_batches_than_allowed_are_refused_before_the_first_or_when_they_turn_up(verb):
    done = []
    with pytest.raises(CalibrationError, match=r"there are 4 batches, and at most 3 are run.*max_batches=4"):
        verb([X] * 4, max_batches=3, progress=done.append)
    assert done == []
    with pytest.raises(CalibrationError, match=r"more than 3 batches.*islice"):
        verb((X for _ in itertools.count()), max_batches=3, progress=done.append)
    assert done == [1, 2, 3]
    verb((X for _ in range(3)), max_batches=3, progress=done.append)
    assert done == [1, 2, 3] * 2
    verb(itertools.repeat(X, 3), max_batches=3)


def test_a_stream_of_many_batches_is_warned_of_and_ends():
    model = nn.ReLU()
    with (
        pytest.warns(UserWarning, match=r"1,000 batches are done .* max_batches=1,200 are run"),
        pytest.raises(CalibrationError, match="more than 1,200"),
    ):
        run_batches(model, (X for _ in itertools.count()), max_batches=1200)


@pytest.mark.parametrize("given", [0, -1, 1.5, "3", None])
def test_a_limit_of_another_kind(given):
    with pytest.raises(MemrixError, match="max_batches"):
        memrix.calibrate(Net(), [X], PHYSICAL, max_batches=given)


def test_a_data_set_is_as_long_as_it_says():
    class Modulo(torch.utils.data.Dataset):  # answers any index
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index):
            return X

    class Uncounted:
        def __getitem__(self, index):
            if index == 2:
                raise IndexError
            return X

    assert run_batches(Net(), Modulo()) == 3
    assert run_batches(Net(), Uncounted()) == 2


def test_an_interrupted_calibration_leaves_the_model_as_it_was():
    class Composite(Net):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, x):
            return super().forward(self.attention(x[None], x[None], x[None])[0][0])

    model = Composite().train()
    before = {name: (type(m), dict(vars(m)), dict(m._buffers), dict(m._modules)) for name, m in model.named_modules()}

    def interrupt(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memrix.calibrate(model, (X for _ in itertools.count()), PHYSICAL, progress=interrupt)
    after = {name: (type(m), dict(vars(m)), dict(m._buffers), dict(m._modules)) for name, m in model.named_modules()}
    assert after == before
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_an_interrupted_comparison_leaves_the_chip_without_hooks():
    programmed = chip()
    programmed(X)

    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    programmed.train()
    with pytest.raises(KeyboardInterrupt):
        memrix.summary(programmed, [X], progress=interrupt)
    assert programmed.training
    assert not any(m._forward_hooks for m in programmed.modules())


class TestKeywords:
    def test_an_input_is_found_whatever_comes_before_it(self):
        class Up(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.t = nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1)

            def forward(self, x):
                return self.t(output_size=[16, 16], input=x)

        model, x = Up(), torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        memrix.calibrate(model, [x], memrix.Hardware.preset("ideal"), percentile=100)
        assert float(model.t.memrix.input_range) == pytest.approx(float(x.abs().max()))
        programmed = memrix.program(model, memrix.Hardware.preset("ideal"))
        assert memrix.summary(programmed, [x]).layers[0].sqnr > 40
        memrix.quantize(model, PHYSICAL, memrix.Quantization(device_resampling=True))
        assert model.train()(x).shape == (2, 3, 16, 16)

    def test_an_input_may_come_by_the_name_that_the_torch_layer_gives_it(self):
        transformers = pytest.importorskip("transformers")

        class Named(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = transformers.pytorch_utils.Conv1D(3, 6)

            def forward(self, x):
                return self.layer(x=x)

        model = Named()
        memrix.calibrate(model, [X], PHYSICAL)
        assert memrix.summary(memrix.program(model, PHYSICAL), [X]).layers[0].sqnr is not None
        memrix.quantize(model, PHYSICAL)
        assert model(X).shape == (4, 3)

    def test_no_input_at_all_is_said(self):
        for model in (chip().first, fake_quantized().first):
            with pytest.raises(InputError, match="called without its 'input'"):
                model()


def fake_quantized() -> nn.Module:
    model = Net()
    memrix.calibrate(model, [X], PHYSICAL)
    memrix.quantize(model, PHYSICAL)
    return model


@pytest.mark.parametrize("made", [chip, fake_quantized])
def test_layers_of_chips_and_quantized_layers_take_dense_tensors(made):
    model = made()
    for given in (
        X.to_sparse(),
        X.to_sparse_csr(),
        torch.nested.nested_tensor([X], layout=torch.jagged),
        X.to_mkldnn(),
    ):
        with pytest.raises(InputError, match=r"'first' must be a dense tensor, got .*to_dense"):
            model(given)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRUCell])
def test_composite_layers_take_dense_tensors(kind):
    model = kind(6, 6)
    memrix.calibrate(model, [X], PHYSICAL)
    with pytest.raises(InputError, match=rf"'{kind.__name__}' must be a dense tensor"):
        model(X.to_sparse())


def test_input_errors_stay_input_errors():
    with pytest.raises(InputError, match="batch 2"):
        memrix.calibrate(Net(), [X, X * torch.inf], PHYSICAL)


class Steps(nn.Module):
    """A product whose input is zero unless asked otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x, state=0.0):
        return self.first(x) + self.second(state * x)


@pytest.mark.parametrize("state", [0.0, 1e-40])
def test_layers_whose_range_leaves_no_code_but_zero_are_named(state):
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    with pytest.warns(UserWarning, match="given nothing but zeros, or values below what float32 .*: second; with"):
        memrix.calibrate(Steps(), [(x, state)], memrix.Hardware())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        memrix.calibrate(Steps(), [(x, state), (x, 1e-30)], memrix.Hardware())
