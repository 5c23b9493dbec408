"""Compiled loops and tensor operations read the same."""

import math

import numpy as np
import pytest
import torch

from memrix import Hardware
from memrix._support.compilation import compiled
from memrix._support.random import noise_quantiles
from memrix.crossbar import kernels
from memrix.crossbar.blocks import CompiledBlock, TensorBlock
from memrix.errors import InputError
from tests.crossbar.test_crossbar import GROUPS, OUTPUTS, codes, crossbar

SHARED, VECTORS = 3, 11


def inputs_last(inputs: torch.Tensor) -> torch.Tensor:
    return inputs


def vectors_last(inputs: torch.Tensor) -> torch.Tensor:
    return inputs.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)


def scattered(inputs: torch.Tensor) -> torch.Tensor:
    return inputs.repeat_interleave(2, -1)[..., ::2]


def part_of_more(inputs: torch.Tensor) -> torch.Tensor:
    return torch.cat([inputs + 1, inputs], 2)[:, :, VECTORS:]


@pytest.mark.parametrize("order", [inputs_last, vectors_last, scattered, part_of_more])
@pytest.mark.parametrize("dtype", [torch.int16, torch.float32, torch.int64], ids=str)
@pytest.mark.parametrize("noise", ["off", "physical", "legacy"])
def test_both_read_the_same(noise, dtype, order):
    settings = {"tile.rows": 32, "adc.precision_bits": 6, "adc.range_bits": 1}
    array = crossbar(Hardware.preset("physical").replace(weight_bits=3, noise=noise, **settings))
    inputs = order(codes(VECTORS, SHARED).to(dtype))
    ours, theirs = (
        CompiledBlock(array, SHARED, VECTORS, own_memory=True),
        TensorBlock(array, SHARED, VECTORS),
    )
    words = normal = None
    if noise != "off":
        (words,) = ours.noise(torch.Generator().manual_seed(5), 1)
        normal = torch.from_numpy(noise_quantiles()[words]).flatten(0, 1).unsqueeze(1)
    # The block is a part of a larger result.
    results = [torch.full((GROUPS, SHARED + 1, VECTORS + 2, OUTPUTS), -1.0) for _ in range(2)]
    clipped = [
        block(inputs, drawn, result, 1, 2)
        for block, drawn, result in zip((ours, theirs), (words, normal), results, strict=True)
    ]
    # A reading in a thousand lies where rounding errors decide.
    different = (results[0] != results[1]).float().mean()
    assert different < 0.01
    assert (results[0] - results[1]).abs().max() <= 4
    assert abs(clipped[0] - clipped[1]) <= 3
    assert clipped[0] > 10
    assert (results[0][:, 0] == -1).all()
    assert (results[0][:, :, :2] == -1).all()


@pytest.mark.parametrize("limit", [1, 8, 128, 1 << 23])
def test_readings_are_rounded_to_the_even_neighbor_and_clipped(limit):
    generator = np.random.default_rng(0)
    halves = np.arange(-300, 300) / 2
    readings = np.concatenate([halves, generator.normal(size=600) * limit, halves + np.float32(1e-5)])
    readings = np.resize(readings, (6, 1, 5, 60)).astype(np.float32)
    expected = np.rint(readings)
    results = np.empty((6, 1, 5, 60), np.float32)
    clipped = kernels.convert(readings, np.float32(limit), 1, np.float32(2), results, 0, 0, 5)
    assert np.array_equal(results, np.clip(expected, -limit, limit))
    assert clipped == np.sum(np.abs(expected) > limit)


@pytest.mark.parametrize("noise", ["off", "physical"])
@pytest.mark.parametrize("value", [-129, 129, 300, -200, 65_539, math.nan, 2.0**33])
def test_what_is_no_code_is_refused(value, noise):
    array = crossbar(Hardware.preset("physical").replace(weight_bits=3, noise=noise))
    inputs = codes(2).double()
    inputs[1, 0, 1, -1] = value
    with pytest.raises(InputError, match="from -128 to 128"):
        array(inputs)


def test_noise_of_many_readings_is_drawn_apart():
    array = crossbar(Hardware.preset("physical").replace(weight_bits=3))
    for block in (CompiledBlock(array, 1, VECTORS, own_memory=True), TensorBlock(array, 1, VECTORS)):
        first, second = (torch.as_tensor(np.asarray(n)).float() for n in block.noise(torch.Generator(), 2))
        assert first.shape == second.shape
        assert not torch.equal(first, second)


def test_loops_run_where_there_is_no_place_to_keep_them(monkeypatch):
    def no_place(self, function, *rest):
        raise RuntimeError(f"cannot cache function {function.__name__!r}: no locator available")

    monkeypatch.setattr("numba.core.dispatcher.Dispatcher.enable_caching", lambda self: no_place(self, self.py_func))
    assert compiled(lambda number: number + 1)(2) == 3
