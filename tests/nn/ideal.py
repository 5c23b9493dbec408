"""The property that guards mapping, slicing, tiling, padding and strides: ideal hardware is the quantized layer."""

import copy
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import torch
from torch import nn

import memrix

IDEAL = memrix.Hardware.preset("ideal")

# A pair that holds a whole weight has steps finer than those of a bit: range is given up for precision.
_CONVERTERS = {
    "bit-sliced": {},
    "multi-level": {"adc.precision_bits": 16, "adc.range_bits": 8},
}

hardwares = st.builds(
    lambda bits, scale, mapping, rows, columns, dac_bits: IDEAL.replace(
        weight_bits=bits,
        weight_scale=scale,
        mapping=mapping,
        **{"tile.rows": rows, "tile.columns": columns, "dac.bits": dac_bits, **_CONVERTERS[mapping]},
    ),
    bits=st.sampled_from([1.5, 2, 3, 4, 5, 6, 7, 8]),
    scale=st.sampled_from(["per-tensor", "per-output-channel"]),
    mapping=st.sampled_from(["bit-sliced", "multi-level"]),
    rows=st.sampled_from([1, 3, 16, 128]),
    columns=st.sampled_from([1, 128]),
    dac_bits=st.integers(3, 10),
)
seeds = st.integers(0, 1000)


def seeded(seed: int, make: Callable[[], Any]) -> Any:
    """What ``make`` makes of random numbers from a seed, with the global generator left alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def assert_ideal_chip_is_the_quantized_layer(
    layer: nn.Module, x: torch.Tensor, hardware: memrix.Hardware, layers: str | None = None
) -> None:
    model = nn.Sequential(layer)
    memrix.calibrate(model, [x], hardware, layers=layers)
    chip = memrix.program(model, hardware, layers=layers)
    fake_quantized = copy.deepcopy(model)
    memrix.quantize(fake_quantized, hardware, layers=layers)
    assert isinstance(chip[0], type(layer))
    assert isinstance(fake_quantized[0], type(layer))
    with torch.no_grad():
        expected, output = fake_quantized(x), chip(x)
        assert output.shape == model(x).shape
    # Products may cancel in a sum, and their converters' steps remain.
    product = float(layer.weight.detach().abs().max()) * (float(x.abs().max()) if x.is_floating_point() else 1.0)
    scale = product + float(expected.abs().max()) + 1e-6
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-4 * scale)
