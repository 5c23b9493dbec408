"""Ideal hardware is the quantized layer, for layers that hold several matrices."""

import copy
from collections import deque

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils._pytree import tree_leaves

import memrix
from memrix.nn import CrossbarLayer, QuantizedLayer
from tests.nn.decomposing import randn
from tests.nn.test_ideal import hardwares

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


def assert_ideal_chip_is_the_quantized_layer(model: nn.Module, batch: dict, hardware: memrix.Hardware) -> None:
    """Every call of a part gives what the chip gave for the same input, and so does the whole.

    The fake-quantized layer continues with what the chip gave: the last bit of an ADC may carry a value over the edge
    of a DAC code.
    """
    model.eval()
    memrix.calibrate(model, [batch], hardware)
    chip = memrix.program(model, hardware)
    fake_quantized = copy.deepcopy(model)
    memrix.quantize(fake_quantized, hardware)
    calls = deque()
    for name, part in chip.named_modules():
        if isinstance(part, CrossbarLayer):
            part.register_forward_hook(lambda part, inputs, given, name=name: calls.append((name, inputs[0], given)))

    def follow(name: str, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        expected_name, expected_input, expected = calls.popleft()
        assert name == expected_name
        assert torch.equal(inputs[0], expected_input)
        torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max() + 1e-6))
        return expected

    for name, part in fake_quantized.named_modules():
        if isinstance(part, QuantizedLayer):
            part.register_forward_hook(lambda part, inputs, output, name=name: follow(name, inputs, output))
    with torch.no_grad():
        output = _tensors(chip(**batch))
        torch.testing.assert_close(_tensors(fake_quantized(**batch)), output)
    assert not calls


def _tensors(outputs) -> list[torch.Tensor]:
    packed = isinstance(outputs[0], PackedSequence)
    return tree_leaves((outputs[0].data, outputs[1]) if packed else outputs)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), hardware=hardwares)
def test_attention(data, hardware):
    def flag(name: str) -> bool:
        return data.draw(st.booleans(), label=name)

    kdim, vdim = data.draw(st.sampled_from([(None, None), (5, 7)]))
    torch.manual_seed(data.draw(st.integers(0, 100)))
    layer = nn.MultiheadAttention(
        12, 3, bias=flag("bias"), add_bias_kv=flag("bias_kv"), kdim=kdim, vdim=vdim, batch_first=flag("batch_first")
    )
    shapes = {"query": (2, 2, 12), "key": (2, 2, layer.kdim), "value": (2, 2, layer.vdim)}
    batch = {name: randn(*shape, seed=number) for number, (name, shape) in enumerate(shapes.items())}
    if flag("padded"):
        batch["key_padding_mask"] = torch.tensor([[False, False], [False, True]])
    assert_ideal_chip_is_the_quantized_layer(layer, batch | {"need_weights": flag("need_weights")}, hardware)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), hardware=hardwares)
def test_recurrent(data, hardware):
    kind = data.draw(st.sampled_from([nn.LSTM, nn.GRU, nn.RNN]))
    options = {"proj_size": data.draw(st.sampled_from([0, 3]))} if kind is nn.LSTM else {}
    torch.manual_seed(data.draw(st.integers(0, 100)))
    layer = kind(
        5,
        6,
        num_layers=data.draw(st.integers(1, 2)),
        bidirectional=data.draw(st.booleans()),
        bias=data.draw(st.booleans()),
        batch_first=data.draw(st.booleans()),
        **options,
    )
    if data.draw(st.booleans()):
        x = pack_sequence([randn(n, 5, seed=n) for n in (1, 3, 2)], enforce_sorted=False)
    else:
        x = randn(*data.draw(st.sampled_from([(3, 5), (2, 3, 5)])))
    assert_ideal_chip_is_the_quantized_layer(layer, {"input": x}, hardware)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), hardware=hardwares)
def test_cells(data, hardware):
    cell = data.draw(st.sampled_from([nn.LSTMCell, nn.GRUCell, nn.RNNCell]))(5, 6)
    state = randn(3, 6, seed=1)
    hx = (state, randn(3, 6, seed=2)) if isinstance(cell, nn.LSTMCell) else state
    assert_ideal_chip_is_the_quantized_layer(cell, {"input": randn(3, 5), "hx": hx}, hardware)
