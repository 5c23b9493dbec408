"""Networks for studies, with a ground truth about their layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

INPUTS, CLASSES = 24, 4


def network(seed: int = 0) -> nn.Sequential:
    """Three linear layers, whose float outputs are the truth."""
    torch.manual_seed(seed)
    hidden = 24
    return nn.Sequential(
        nn.Linear(INPUTS, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES)
    ).eval()


def labeled(model: nn.Module, batches: int = 2, items: int = 48) -> list[tuple[Tensor, Tensor]]:
    """Inputs and the outputs of a model, as pairs for the metric ``"loss"`` (a mean squared error)."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        inputs = [torch.randn(items, INPUTS, generator=generator) for _ in range(batches)]
        return [(each, model(each)) for each in inputs]
