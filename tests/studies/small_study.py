"""A network, data and metrics that cost milliseconds, for tests of studies."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from memrix import Hardware

HARDWARE = Hardware.preset("physical").replace(weight_bits=3)


def network() -> nn.Module:
    """Eight inputs, four classes."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4, generator=generator)
    return model


def pairs(batches: int = 2, items: int = 8) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of inputs and targets."""
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(items, 8, generator=generator), torch.randint(4, (items,), generator=generator))
        for _ in range(batches)
    ]


def cross_entropy(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """A metric of a user's own."""
    input, target = batch
    return functional.cross_entropy(model(input), target, reduction="none")


class EndsItsProcess:
    """A metric that ends the process of one chip, once or always.

    Args:
        marker: a file that is there once it has happened; None: it happens always.
        parent: number of the process that is never ended.
        chip: mean loss of a batch by which the chip is known.
    """

    def __init__(self, marker: str | None, parent: int, chip: float) -> None:
        self.marker, self.parent, self.chip = marker, parent, chip

    def __call__(self, model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        loss = cross_entropy(model, batch)
        happened = self.marker is not None and Path(self.marker).exists()
        if os.getpid() != self.parent and abs(float(loss.double().mean()) - self.chip) < 1e-9 and not happened:
            if self.marker is not None:
                Path(self.marker).touch()
            os._exit(9)
        return loss
