"""Learning rates of weights, and of the steps that weights and activations are quantized with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import memrix

STEP_RATE = 10.0
"""Rate of a learned step over that of weights, as a share of its size.

Adam changes every parameter by about its learning rate, whatever its gradient. At a rate of 1e-4, a weight step of
0.01 would change by a hundredth with each batch, and the range of an input, which may be 50, not at all.
"""


def parameter_groups(model: nn.Module, *, low_bit: bool) -> list[dict[str, Any]]:
    """What an optimizer takes: the parameters that are trained, and a group for each learned step, without decay."""
    steps = [step for step in memrix.learned_steps(model) if step.requires_grad] if low_bit else []
    apart = {id(step) for step in steps}
    others = [each for each in model.parameters() if each.requires_grad and id(each) not in apart]
    return [{"params": others}, *({"params": [step], "weight_decay": 0.0} for step in steps)]


def set_rates(groups: list[dict[str, Any]], rate: float) -> None:
    """Set the learning rate of ``parameter_groups``: steps learn in proportion to their present size."""
    weights, *steps = groups
    weights["lr"] = rate
    if steps:
        sizes = torch.stack([_size(group["params"][0]) for group in steps]).tolist()
        for group, size in zip(steps, sizes, strict=True):
            group["lr"] = rate * STEP_RATE * size


def _size(step: Tensor) -> Tensor:
    return step.detach().abs().mean()
