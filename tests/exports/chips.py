"""Small chips whose cells are exported, and what reads their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import memrix

X = torch.randn(32, 6, generator=torch.Generator().manual_seed(0))
PHYSICAL = memrix.Hardware.preset("physical").replace(weight_bits=4, tile=memrix.Tile(4, 3))
WIRES = memrix.Wires(ohms_per_cell=1.5, driver_ohms=3.0, sense_ohms=2.0)


class Net(nn.Module):
    """A convolution of two groups, and linear layers of which one stays digital."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.encoder = nn.Sequential(nn.Conv1d(6, 8, 3, padding=1, groups=2), nn.Flatten(), nn.Linear(8, 5))
            self.decoder, self.head = nn.Linear(5, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.decoder(self.encoder(x[..., None]).relu()))


def chip_of(hardware: memrix.Hardware = PHYSICAL, *, seed: int = 3) -> nn.Module:
    model, layers = Net().eval(), ["encoder.*", "decoder"]
    memrix.calibrate(model, [X], hardware, layers=layers)
    return memrix.program(model, hardware, seed=seed, layers=layers)


def linear_chip(hardware: memrix.Hardware, inputs: int = 8, outputs: int = 5) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(inputs, outputs, bias=False)).eval()
    memrix.calibrate(model, [vectors(inputs)], hardware)
    return memrix.program(model, hardware, seed=5)


def vectors(inputs: int) -> torch.Tensor:
    return torch.randn(32, inputs, generator=torch.Generator().manual_seed(2))


def table_of(chip: nn.Module, folder: Path, **options: Any) -> Mapping[str, np.ndarray]:
    memrix.export(chip, folder / "cells.npz", **options)
    with np.load(folder / "cells.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}
