"""Whatever type torch makes new tensors of, a model on a chip is the same to the last bit."""

import copy

import pytest
import torch
from torch import nn

import memrix
from tests.nn.decomposing import randn

LAYERS = {
    "linear": (lambda: nn.Linear(8, 4), randn(600, 8)),
    "convolution": (lambda: nn.Conv1d(8, 4, 3), randn(2, 8, 400)),
    "attention": (lambda: nn.TransformerEncoderLayer(8, 2, 8, batch_first=True), randn(2, 300, 8)),
    "recurrent": (lambda: nn.GRU(8, 8), randn(100, 6, 8)),
}
TRAINING = memrix.Quantization(observer="min-max", weight_noise=0.1, output_quantizers=True, learned_steps=True)


@pytest.fixture(autouse=True)
def usual_type():
    yield
    torch.set_default_dtype(torch.float32)


def chip_and_gradients(model: nn.Module, x: torch.Tensor, hardware: memrix.Hardware, default: torch.dtype):
    """What the chip reads, and what two steps of training leave in a quantized copy."""
    torch.set_default_dtype(default)
    model = copy.deepcopy(model)
    memrix.calibrate(model, [x], hardware)
    chip = memrix.program(model, hardware)
    summary = memrix.summary(chip, [x]).to_dict()
    memrix.quantize(model, hardware, TRAINING)
    torch.manual_seed(0)
    memrix.reseed(model, read=1)
    for _ in range(2):
        first(model.train()(x)).square().mean().backward()
    return [first(chip(x)), *(p.grad for p in model.parameters() if p.grad is not None)], summary


def first(output: torch.Tensor | tuple) -> torch.Tensor:
    return output if isinstance(output, torch.Tensor) else output[0]


@pytest.mark.parametrize("preset", ["ideal", "physical", "tuned"])
@pytest.mark.parametrize("kind", LAYERS)
def test_the_default_type_of_torch_changes_no_bit(kind, preset):
    make, x = LAYERS[kind]
    torch.manual_seed(0)
    model, hardware = make().eval(), memrix.Hardware.preset(preset)
    expected, summary = chip_and_gradients(model, x, hardware, torch.float32)
    found, same_summary = chip_and_gradients(model, x, hardware, torch.float64)
    assert [each.dtype for each in found] == [each.dtype for each in expected]
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert same_summary == summary
