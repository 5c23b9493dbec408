"""Chips of earlier formats keep loading and compute what they did."""

from pathlib import Path

import torch
from torch import nn

import memrix

FILES = Path(__file__).parents[1] / "files"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 5)
        self.recurrent = nn.GRU(5, 3)
        self.last = nn.Linear(3, 2)
        self.free = nn.Linear(2, 2)

    def forward(self, x):
        return self.free(self.last(self.recurrent(self.first(x).relu())[0]))


def test_a_chip_of_format_1_computes_what_it_did():
    """A tuned layer on tiles of four rows, a decomposed GRU of verified cells, and a layer with learned steps."""
    chip = memrix.load(FILES / "chip-format-1.safetensors", Net().eval())
    memrix.reseed(chip, read=5)
    with torch.no_grad():
        outputs = chip(torch.cos(torch.arange(120).float()).view(20, 6))
    expected = torch.tensor([[0.4219, -0.6326], [0.3692, -0.6678]])
    torch.testing.assert_close(outputs[:2], expected, rtol=0, atol=1e-4)


def test_a_chip_of_format_1_is_saved_in_the_present_format(tmp_path):
    chip = memrix.load(FILES / "chip-format-1.safetensors", Net().eval())
    memrix.save(chip, tmp_path / "chip.safetensors")
    again = memrix.load(tmp_path / "chip.safetensors", Net().eval())
    assert memrix.summary(again).to_dict() == memrix.summary(chip).to_dict()
