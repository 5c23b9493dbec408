"""Layers whose inputs lie on the last axis, and embeddings: ideal hardware is the quantized layer."""

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

import memrix
from memrix.nn import MemristorLinear
from tests.nn.ideal import IDEAL, assert_ideal_chip_is_the_quantized_layer, hardwares, seeded, seeds

shapes = st.sampled_from([(), (1,), (5,), (2, 3), (2, 1, 4)])


class TiedToNothing(nn.Linear):
    """A subclass without overrides, as libraries have them for their own bookkeeping."""


@settings(max_examples=60, deadline=None)
@given(data=st.data(), hardware=hardwares, seed=seeds)
def test_linear(data, hardware, seed):
    inputs, outputs = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 9))
    shape, bias = data.draw(shapes), data.draw(st.booleans())
    kind = data.draw(st.sampled_from([nn.Linear, TiedToNothing]))
    layer, x = seeded(seed, lambda: (kind(inputs, outputs, bias=bias), torch.randn(*shape, inputs)))
    assert_ideal_chip_is_the_quantized_layer(layer, x, hardware)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), hardware=hardwares, seed=seeds)
def test_conv1d_of_transformers(data, hardware, seed):
    conv1d = pytest.importorskip("transformers.pytorch_utils").Conv1D
    inputs, outputs, shape = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 9)), data.draw(shapes)
    layer, x = seeded(seed, lambda: (conv1d(outputs, inputs), torch.randn(*shape, inputs)))
    seeded(seed, lambda: nn.init.normal_(layer.bias))
    assert_ideal_chip_is_the_quantized_layer(layer, x, hardware)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), hardware=hardwares, seed=seeds)
def test_embedding_selected_by_name(data, hardware, seed):
    rows, width, shape = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 9)), data.draw(shapes)
    padding = data.draw(st.sampled_from([None, 0]))
    layer = seeded(seed, lambda: nn.Embedding(rows, width, padding_idx=padding))
    x = seeded(seed, lambda: torch.randint(rows, shape))
    assert_ideal_chip_is_the_quantized_layer(layer, x, hardware, layers="0")


def test_subclass_of_linear_keeps_its_class_and_gets_a_name_of_its_own():
    layer = nn.Sequential(TiedToNothing(4, 3))
    memrix.calibrate(layer, [torch.ones(2, 4)], IDEAL)
    chip = memrix.program(layer, IDEAL)
    assert type(chip[0]).__name__ == "MemristorTiedToNothing"
    assert isinstance(chip[0], MemristorLinear)


def test_many_calibration_ranges_beyond_the_data_clip_alike():
    layer = nn.Linear(16, 4)
    x = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(layer)
    memrix.calibrate(model, [x / 3], IDEAL)
    chip = memrix.program(model, IDEAL)
    memrix.quantize(model, IDEAL)
    with torch.no_grad():
        torch.testing.assert_close(chip(x), model(x), rtol=1e-4, atol=1e-4)
