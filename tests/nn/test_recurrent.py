import copy

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence

from memrix.errors import InputError
from tests.nn.decomposing import assert_same_results_and_gradients, decomposed, randn

INPUTS, HIDDEN = 5, 6
KINDS = [nn.LSTM, nn.GRU, nn.RNN]
CELLS = [nn.LSTMCell, nn.GRUCell, nn.RNNCell]

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


def initial(layer: nn.RNNBase, batch: int | None):
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    shape = [count] if batch is None else [count, batch]
    hidden = randn(*shape, layer.proj_size or HIDDEN, seed=1)
    return (hidden, randn(*shape, HIDDEN, seed=2)) if isinstance(layer, nn.LSTM) else hidden


def drawn_layer(data: st.DataObject) -> nn.RNNBase:
    kind = data.draw(st.sampled_from(KINDS))
    options = {
        "num_layers": data.draw(st.integers(1, 3)),
        "bidirectional": data.draw(st.booleans()),
        "batch_first": data.draw(st.booleans()),
        "bias": data.draw(st.booleans()),
    }
    if kind is nn.LSTM:
        options["proj_size"] = data.draw(st.sampled_from([0, 3]))
    if kind is nn.RNN:
        options["nonlinearity"] = data.draw(st.sampled_from(["tanh", "relu"]))
    torch.manual_seed(0)
    return kind(INPUTS, HIDDEN, **options).train(data.draw(st.booleans()))


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_results_and_gradients_are_those_of_torch(data):
    layer = drawn_layer(data)
    length, batch = data.draw(st.integers(1, 5)), data.draw(st.sampled_from([None, 1, 3]))
    if batch is None:
        x = randn(length, INPUTS)
    else:
        x = randn(batch, length, INPUTS) if layer.batch_first else randn(length, batch, INPUTS)
    state = [initial(layer, batch)] if data.draw(st.booleans()) else []
    assert_same_results_and_gradients(layer, x, *state)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_packed_sequences_come_back_packed_as_torch_does(data):
    layer = drawn_layer(data)
    lengths = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    sequences = [randn(length, INPUTS, seed=number) for number, length in enumerate(lengths)]
    packed = pack_sequence(sequences, enforce_sorted=False)
    state = initial(layer, len(lengths)) if data.draw(st.booleans()) else None
    expected, final = layer(packed, state)
    output, own_final = decomposed(layer)(packed, state)
    assert torch.equal(output.batch_sizes, expected.batch_sizes)
    torch.testing.assert_close(output.data, expected.data)
    torch.testing.assert_close(own_final, final)
    for mine, theirs in zip(output[2:], expected[2:], strict=True):
        torch.testing.assert_close(mine, theirs)


def test_packed_sequences_that_are_sorted():
    layer = nn.LSTM(INPUTS, HIDDEN, 2, bidirectional=True)
    packed = pack_padded_sequence(randn(4, 3, INPUTS), [4, 2, 1])
    torch.testing.assert_close(decomposed(layer)(packed)[0].data, layer(packed)[0].data)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_between_layers_is_that_of_torch(kind):
    layer = kind(INPUTS, HIDDEN, 3, dropout=0.4, bidirectional=True)
    assert_same_results_and_gradients(layer, randn(4, 2, INPUTS))
    assert_same_results_and_gradients(layer.eval(), randn(4, 2, INPUTS))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_cells_are_those_of_torch(data):
    kind, batch = data.draw(st.sampled_from(CELLS)), data.draw(st.sampled_from([None, 1, 3]))
    options = {"bias": data.draw(st.booleans())}
    if kind is nn.RNNCell:
        options["nonlinearity"] = data.draw(st.sampled_from(["tanh", "relu"]))
    torch.manual_seed(0)
    cell = kind(INPUTS, HIDDEN, **options)
    shape = [] if batch is None else [batch]
    state = randn(*shape, HIDDEN, seed=1)
    given_state = [(state, randn(*shape, HIDDEN, seed=2)) if kind is nn.LSTMCell else state]
    assert_same_results_and_gradients(cell, randn(*shape, INPUTS), *(given_state * data.draw(st.booleans())))


def test_parts_have_names():
    layer = decomposed(nn.LSTM(INPUTS, HIDDEN, 2, bidirectional=True, proj_size=2))
    names = [
        f"{what}_l{layer}{suffix}" for layer in (0, 1) for suffix in ("", "_reverse") for what in ("ih", "hh", "hr")
    ]
    assert [name for name, _ in layer.named_children()] == names
    assert [name for name, _ in decomposed(nn.GRUCell(3, 4)).named_children()] == ["ih", "hh"]


@pytest.mark.parametrize("kind", KINDS + CELLS)
def test_checkpoints_fit_both_ways(kind):
    layer, other = kind(INPUTS, HIDDEN), kind(INPUTS, HIDDEN)
    copied = decomposed(layer)
    assert list(copied.state_dict()) == list(layer.state_dict())
    copied.load_state_dict(other.state_dict())
    torch.testing.assert_close(copied(randn(4, INPUTS)), other(randn(4, INPUTS)))
    layer.load_state_dict(copied.state_dict())


@pytest.mark.parametrize("kind", KINDS + CELLS)
def test_a_copy_in_another_precision_is_on_its_own(kind):
    copied, x = decomposed(kind(INPUTS, HIDDEN)), randn(4, INPUTS)
    before = copied(x)
    converted = copy.deepcopy(copied).double()
    torch.testing.assert_close(converted(x.double()), before, check_dtype=False, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        for parameter in converted.parameters():
            parameter.zero_()
    torch.testing.assert_close(copied(x), before)


def test_a_device_keeps_the_weights_that_torch_has_flattened():
    copied = decomposed(nn.LSTM(INPUTS, HIDDEN)).to("meta")
    assert copied.ih_l0.weight.device.type == "meta"
    assert all(weight.device.type == "meta" for weight in copied._flat_weights)


def test_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for kind in KINDS:
            assert torch.isfinite(decomposed(kind(INPUTS, HIDDEN, 2))(randn(4, 2, INPUTS))[0]).all()


def test_a_compiled_model_may_hold_one():
    # Dynamo leaves every nn.LSTM to Python.
    copied, x = nn.Sequential(nn.Linear(3, INPUTS), decomposed(nn.LSTM(INPUTS, HIDDEN))), randn(3, 2, 3)
    torch.testing.assert_close(torch.compile(copied, backend="eager")(x), copied(x))


class TestBadInput:
    @pytest.mark.parametrize("shape", [(5,), (1, 2, 3, 5)])
    def test_axes(self, shape):
        with pytest.raises(InputError, match=r"takes \[length, batch, 5\].*PackedSequence, got"):
            decomposed(nn.LSTM(INPUTS, HIDDEN))(randn(*shape))

    def test_width(self):
        with pytest.raises(InputError, match=r"GRU takes 5 features in each step, got an input of \[4, 2, 6\]"):
            decomposed(nn.GRU(INPUTS, HIDDEN))(randn(4, 2, 6))

    def test_no_steps(self):
        with pytest.raises(InputError, match="no steps"):
            decomposed(nn.GRU(INPUTS, HIDDEN))(randn(0, 2, INPUTS))

    def test_state_of_another_shape(self):
        with pytest.raises(InputError, match=r"must be a tensor of \[1, 2, 6\], got \[1, 3, 6\]"):
            decomposed(nn.GRU(INPUTS, HIDDEN))(randn(4, 2, INPUTS), randn(1, 3, HIDDEN))
        with pytest.raises(InputError, match=r"pair of tensors of \[1, 2, 6\] and \[1, 2, 6\], got \[1, 2, 6\]"):
            decomposed(nn.LSTM(INPUTS, HIDDEN))(randn(4, 2, INPUTS), randn(1, 2, HIDDEN))

    def test_cells(self):
        with pytest.raises(InputError, match=r"takes \[batch, 5\] or \[5\], got \[2, 6\]"):
            decomposed(nn.GRUCell(INPUTS, HIDDEN))(randn(2, 6))
        with pytest.raises(InputError, match=r"a pair of tensors of \[2, 6\], got \[2, 6\]"):
            decomposed(nn.LSTMCell(INPUTS, HIDDEN))(randn(2, INPUTS), randn(2, HIDDEN))
