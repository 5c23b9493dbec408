"""A seed is a contract: what the guide says that results of a chip do and do not depend on."""

import copy

import pytest
import torch
from torch import nn

import memrix
from memrix.crossbar import gemm
from tests.layer_examples import Call

PHYSICAL = memrix.Hardware.preset("physical").replace(**{"tile.rows": 32})
LEGACY = PHYSICAL.replace(noise="legacy")


LAYERS = {
    "Linear": (lambda: nn.Sequential(nn.Linear(40, 300), nn.ReLU(), nn.Linear(300, 12)), (40,)),
    "Conv2d": (lambda: nn.Sequential(nn.Conv2d(4, 6, 3, groups=2)), (4, 6, 7)),
    "attention": (lambda: Call(nn.MultiheadAttention(16, 2, batch_first=True), same=True), (5, 16)),
    "Transformer": (lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), (5, 16)),
    "LSTM": (lambda: Call(nn.LSTM(8, 6, batch_first=True)), (5, 8)),
    "time first": (lambda: nn.Sequential(nn.Linear(8, 6)), (5, 8)),
}


def chip_and_inputs(name, hardware):
    make, shape = LAYERS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, x = make().eval(), torch.randn(64, *shape)
    memrix.calibrate(model, [x], hardware)
    return memrix.program(model, hardware), x


def split_alike(name, hardware, size, dim=0):
    """Whether a split batch gives the bits of a whole one."""
    chip, x = chip_and_inputs(name, hardware)
    parts = copy.deepcopy(chip)
    with torch.no_grad():
        return torch.equal(torch.cat([parts(part) for part in x.split(size, dim)], dim), chip(x))


@pytest.mark.skipif(not gemm.available(), reason="products of torch depend on the size of a batch")
@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("name", ["Linear", "Conv2d", "attention", "Transformer"])
def test_a_batch_may_be_split_along_its_first_axis(name, size):
    assert split_alike(name, PHYSICAL, size)


@pytest.mark.parametrize(
    ("name", "hardware", "dim"),
    [("LSTM", PHYSICAL, 0), ("time first", PHYSICAL, 1), ("Linear", LEGACY, 0)],
    ids=["recurrent", "time first", "legacy"],
)
def test_the_exceptions_are_such(name, hardware, dim):
    assert not split_alike(name, hardware, 3, dim)


def test_a_loaded_chip_begins_with_its_first_reading(tmp_path):
    chip, x = chip_and_inputs("Conv2d", PHYSICAL)
    with torch.no_grad():
        first, second = chip(x), chip(x)
        memrix.save(chip, tmp_path / "chip.safetensors")
        loaded = memrix.load(tmp_path / "chip.safetensors", LAYERS["Conv2d"][0]())
        assert torch.equal(loaded(x), first)
    assert not torch.equal(first, second)
