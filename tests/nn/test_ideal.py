"""Ideal hardware is the quantised layer: the property that guards mapping, slicing, tiling, padding and strides."""

import copy

import hypothesis.strategies as st
import torch
from hypothesis import given, settings
from torch import nn

import memrix

IDEAL = memrix.Hardware.preset("ideal")

# A pair that holds a whole weight has steps finer than those of a bit: range is given up for precision.
CONVERTERS = {
    "bit-sliced": {},
    "multi-level": {"adc.precision_bits": 16, "adc.range_bits": 8},
}

hardwares = st.builds(
    lambda bits, scale, mapping, rows, columns, dac_bits: IDEAL.replace(
        weight_bits=bits,
        weight_scale=scale,
        mapping=mapping,
        **{"tile.rows": rows, "tile.columns": columns, "dac.bits": dac_bits, **CONVERTERS[mapping]},
    ),
    bits=st.integers(2, 8),
    scale=st.sampled_from(["per-tensor", "per-output-channel"]),
    mapping=st.sampled_from(["bit-sliced", "multi-level"]),
    rows=st.sampled_from([1, 3, 16, 128]),
    columns=st.sampled_from([1, 128]),
    dac_bits=st.integers(3, 10),
)


def assert_ideal_chip_is_the_quantised_layer(layer: nn.Module, x: torch.Tensor, hardware: memrix.Hardware) -> None:
    model = nn.Sequential(layer)
    memrix.calibrate(model, [x], hardware)
    chip = memrix.program(model, hardware)
    twin = copy.deepcopy(model)
    memrix.quantize(twin, hardware)
    with torch.no_grad():
        expected, output = twin(x), chip(x)
        assert output.shape == model(x).shape
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max() + 1e-6))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), hardware=hardwares)
def test_linear(data, hardware):
    inputs, outputs = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 9))
    shape = data.draw(st.sampled_from([(), (1,), (5,), (2, 3), (2, 1, 4)]))
    with torch.random.fork_rng():
        torch.manual_seed(data.draw(st.integers(0, 1000)))
        layer = nn.Linear(inputs, outputs, bias=data.draw(st.booleans()))
        x = torch.randn(*shape, inputs)
    assert_ideal_chip_is_the_quantised_layer(layer, x, hardware)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), hardware=hardwares)
def test_conv1d(data, hardware):
    groups = data.draw(st.sampled_from([1, 2, 3]))
    kernel, dilation = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    stride = data.draw(st.integers(1, 3))
    padding_mode = data.draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    paddings = [0, 1, 3, "valid"] + (["same"] if stride == 1 else [])
    padding = data.draw(st.sampled_from(paddings))
    batch = data.draw(st.sampled_from([None, 1, 3]))
    length = data.draw(st.integers(dilation * (kernel - 1) + 1 + 6, 20))
    channels = groups * data.draw(st.integers(1, 3))
    with torch.random.fork_rng():
        torch.manual_seed(data.draw(st.integers(0, 1000)))
        layer = nn.Conv1d(
            channels,
            groups * data.draw(st.integers(1, 3)),
            kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=data.draw(st.booleans()),
            padding_mode=padding_mode,
        )
        x = torch.randn(*([] if batch is None else [batch]), channels, length)
    assert_ideal_chip_is_the_quantised_layer(layer, x, hardware)


def test_depthwise_convolution_of_the_paper():
    layer = nn.Conv1d(48, 48, 31, padding=15, groups=48)
    x = torch.randn(2, 48, 60, generator=torch.Generator().manual_seed(0))
    assert_ideal_chip_is_the_quantised_layer(layer, x, IDEAL.replace(weight_bits=3))


def test_many_calibration_ranges_beyond_the_data_clip_alike():
    layer = nn.Linear(16, 4)
    x = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(layer)
    memrix.calibrate(model, [x / 3], IDEAL)
    chip = memrix.program(model, IDEAL)
    memrix.quantize(model, IDEAL)
    with torch.no_grad():
        torch.testing.assert_close(chip(x), model(x), rtol=1e-4, atol=1e-4)
