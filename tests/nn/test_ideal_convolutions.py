"""Convolutions with every option: ideal hardware is the quantized layer."""

import copy

import pytest
import torch
from hypothesis import assume, given, settings, strategies as st
from torch import nn

import memrix
from tests.nn.ideal import IDEAL, assert_ideal_chip_is_the_quantized_layer, hardwares, seeded, seeds

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d)


def per_axis(draw, axes: int, values: st.SearchStrategy[int]) -> int | tuple[int, ...]:
    """One value for all axes, or one each."""
    return draw(st.one_of(values, st.tuples(*[values] * axes)))


def along(axes: int, value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,) * axes


@st.composite
def convolutions(draw, axes: int):
    """A convolution and an input for it."""
    most = 4 if axes == 1 else 3
    groups = draw(st.sampled_from([1, 2, 3]))
    kernel = per_axis(draw, axes, st.integers(1, most))
    dilation = per_axis(draw, axes, st.integers(1, most - 1))
    stride = per_axis(draw, axes, st.integers(1, most - 1))
    unit_stride = set(along(axes, stride)) == {1}
    padding = draw(st.sampled_from(["valid", "number"] + (["same"] if unit_stride else [])))
    if padding == "number":
        padding = per_axis(draw, axes, st.integers(0, 3))
    mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    reach = [d * (k - 1) + 1 for d, k in zip(along(axes, dilation), along(axes, kernel), strict=True)]
    # Modes that repeat the input repeat it once at most.
    sizes = [draw(st.integers(max(4, extent), max(4, extent) + (8 if axes == 1 else 2))) for extent in reach]
    batch = draw(st.sampled_from([[], [1], [3]]))
    inputs, outputs = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "padding_mode": mode}
    bias = draw(st.booleans())
    return seeded(
        draw(seeds),
        lambda: (
            CONVOLUTIONS[axes - 1](inputs, outputs, kernel, bias=bias, **options),
            torch.randn(*batch, inputs, *sizes),
        ),
    )


@st.composite
def transposed_convolutions(draw, axes: int):
    """A transposed convolution and an input for it."""
    groups = draw(st.sampled_from([1, 2, 3]))
    kernel, dilation, stride = (along(axes, per_axis(draw, axes, st.integers(1, 3))) for _ in range(3))
    beyond = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    sizes = [draw(st.integers(1, 5)) for _ in range(axes)]
    full = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(sizes, stride, dilation, kernel, strict=True)]
    # At least one output position is left.
    padding = tuple(draw(st.integers(0, min(3, (n + b - 1) // 2))) for n, b in zip(full, beyond, strict=True))
    batch = draw(st.sampled_from([[], [1], [3]]))
    inputs, outputs = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "output_padding": beyond}
    bias = draw(st.booleans())
    return seeded(
        draw(seeds),
        lambda: (
            TRANSPOSED[axes - 1](inputs, outputs, kernel, groups=groups, bias=bias, **options),
            torch.randn(*batch, inputs, *sizes),
        ),
    )


@settings(max_examples=100, deadline=None)
@given(case=convolutions(1), hardware=hardwares)
def test_conv1d(case, hardware):
    assert_ideal_chip_is_the_quantized_layer(*case, hardware)


@settings(max_examples=60, deadline=None)
@given(case=convolutions(2), hardware=hardwares)
def test_conv2d(case, hardware):
    assert_ideal_chip_is_the_quantized_layer(*case, hardware)


@settings(max_examples=40, deadline=None)
@given(case=convolutions(3), hardware=hardwares)
def test_conv3d(case, hardware):
    assert_ideal_chip_is_the_quantized_layer(*case, hardware)


@settings(max_examples=60, deadline=None)
@given(case=transposed_convolutions(1), hardware=hardwares)
def test_conv_transpose1d(case, hardware):
    assert_ideal_chip_is_the_quantized_layer(*case, hardware)


@settings(max_examples=60, deadline=None)
@given(case=transposed_convolutions(2), hardware=hardwares)
def test_conv_transpose2d(case, hardware):
    assert_ideal_chip_is_the_quantized_layer(*case, hardware)


@pytest.mark.parametrize("axes", [1, 2])
@settings(max_examples=40, deadline=None)
@given(data=st.data(), hardware=hardwares)
def test_output_size_of_a_call(axes, data, hardware):
    layer, x = data.draw(transposed_convolutions(axes))
    options = zip(x.shape[-axes:], layer.stride, layer.dilation, layer.kernel_size, layer.padding, strict=True)
    shortest = [(n - 1) * s + d * (k - 1) + 1 - 2 * p for n, s, d, k, p in options]
    size = [data.draw(st.integers(least, least + s - 1)) for least, s in zip(shortest, layer.stride, strict=True)]
    assume(min(size) > 0)
    if data.draw(st.booleans()):
        size = [*x.shape[:-axes], *size]  # as of another tensor: torch reads the last axes
    expected = layer(x, output_size=size)
    memrix.calibrate(layer, [(x, size)], hardware)
    chip, fake_quantized = memrix.program(layer, hardware), copy.deepcopy(layer)
    memrix.quantize(fake_quantized, hardware)
    geometry = fake_quantized.memrix.geometry
    functional = geometry.functional_forward(fake_quantized, x, layer.weight, layer.bias, output_size=size)
    torch.testing.assert_close(functional, expected)
    scale = float(layer.weight.detach().abs().max()) * float(x.abs().max()) + float(expected.detach().abs().max())
    quantized = fake_quantized(x, output_size=size)
    torch.testing.assert_close(chip(x, size), quantized, rtol=1e-4, atol=1e-4 * scale)
    torch.testing.assert_close(chip(x, output_size=size), chip(x, size))


class Unet(nn.Module):
    """Comes back to the size of its input, whatever was rounded off on the way down."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1)

    def forward(self, x):
        return self.up(self.down(x).relu(), output_size=x.size()) + x


def test_output_size_from_calibration_to_a_chip_and_its_summary():
    x, odd = seeded(0, lambda: (torch.randn(2, 2, 8, 8), torch.randn(2, 2, 7, 9)))
    model = seeded(0, Unet)
    memrix.calibrate(model, [x, odd], IDEAL)
    chip = memrix.program(model, IDEAL)
    assert [chip(image).shape for image in (x, odd)] == [x.shape, odd.shape]
    assert all(layer.sqnr > 60 for layer in memrix.summary(chip, [x, odd]).layers)
    chip(odd).sum().backward()
    assert chip.up.weight.grad.isfinite().all()


def test_output_size_in_training_with_device_resampling():
    x, odd = seeded(0, lambda: (torch.randn(2, 2, 8, 8), torch.randn(2, 2, 7, 9)))
    model = seeded(0, Unet)
    memrix.calibrate(model, [x, odd], IDEAL)
    memrix.quantize(model, IDEAL, memrix.Quantization(device_resampling=True))
    model.train()
    for image in (x, odd):
        output = model(image)
        assert output.shape == image.shape
        output.sum().backward()
    torch.testing.assert_close(model(odd), model.eval()(odd), rtol=1e-4, atol=1e-4)


def test_output_size_that_cannot_be_is_refused():
    layer = nn.ConvTranspose1d(1, 1, 3, stride=2)
    memrix.calibrate(layer, [torch.ones(1, 1, 4)], IDEAL)
    chip = memrix.program(layer, IDEAL)
    memrix.quantize(layer, IDEAL)
    for each in (chip, layer):
        with pytest.raises(memrix.errors.InputError, match=r"output_size=\[11\] .* range from \[9\] to \[10\]"):
            each(torch.ones(1, 1, 4), output_size=[11])


def test_depthwise_convolution_of_the_paper():
    layer = nn.Conv1d(48, 48, 31, padding=15, groups=48)
    x = torch.randn(2, 48, 60, generator=torch.Generator().manual_seed(0))
    assert_ideal_chip_is_the_quantized_layer(layer, x, IDEAL.replace(weight_bits=3))


def test_output_padding_beyond_every_product_is_the_bias():
    layer = nn.ConvTranspose1d(1, 1, 1, stride=5, padding=2, output_padding=4)
    assert_ideal_chip_is_the_quantized_layer(layer, torch.ones(1, 1, 1), IDEAL)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(4, 6, 3, groups=2, padding=1), (0, 4, 5, 5)),
        (nn.Conv1d(4, 6, 3, padding=1, padding_mode="circular"), (0, 4, 5)),
        (nn.ConvTranspose2d(4, 6, 3), (0, 4, 5, 5)),
        (nn.ConvTranspose1d(4, 6, 3, groups=2), (0, 4, 5)),
    ],
)
def test_no_image_gives_no_output(layer, shape):
    memrix.calibrate(layer, [torch.ones(1, *shape[1:])], IDEAL)
    chip = memrix.program(layer, IDEAL)
    with torch.no_grad():
        assert chip(torch.empty(shape)).shape == layer(torch.empty(shape)).shape


@pytest.mark.parametrize("kind", [*CONVOLUTIONS, *TRANSPOSED])
def test_input_of_another_number_of_channels_is_refused(kind):
    axes = int(kind.__name__[-2])
    layer = kind(4, 8, 1)
    memrix.calibrate(layer, [torch.ones(2, 4, *[3] * axes)], IDEAL)
    chip = memrix.program(layer, IDEAL)
    for shape in ([2, 3], [2, 5], [4, 4, 4]):
        with torch.no_grad(), pytest.raises(memrix.errors.InputError, match=r"takes \[batch, 4, "):
            chip(torch.zeros(*shape, *[3] * (axes if len(shape) == 2 else axes + 1)))
