"""Symmetric weight quantisation: integers from ``-(2**(bits-1) - 1)`` to ``2**(bits-1) - 1``."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

WeightScale = Literal["per-tensor", "per-output-channel"]


def largest_integer(bits: int) -> int:
    """Largest magnitude of a symmetric integer of ``bits`` bits."""
    return (1 << (bits - 1)) - 1


def weight_step(weight: Tensor, bits: int, scale: WeightScale) -> Tensor:
    """Weight of one integer step: ``[1]`` per tensor, ``[outputs]`` per output channel (the first axis).

    The largest magnitude becomes the largest integer; where all weights are 0 the step is 1.
    """
    magnitude = weight.detach().abs()
    peak = magnitude.amax().reshape(1) if scale == "per-tensor" else magnitude.flatten(1).amax(1)
    return torch.where(peak > 0, peak / largest_integer(bits), torch.ones_like(peak))


def fake_quantize_weight(weight: Tensor, step: Tensor, bits: int) -> Tensor:
    """Weights rounded to integers and scaled back, with a straight-through gradient; shape of ``weight``."""
    limit = largest_integer(bits)
    zero = torch.zeros_like(step, dtype=torch.int32)
    if step.numel() == 1:
        return torch.fake_quantize_per_tensor_affine(weight, step, zero, -limit, limit)
    return torch.fake_quantize_per_channel_affine(weight, step, zero, 0, -limit, limit)


def weight_integers(weight: Tensor, step: Tensor, bits: int) -> Tensor:
    """The integers (int32, shape of ``weight``) that ``fake_quantize_weight`` scales back."""
    # Through the fake quantiser itself, so that a tie can never fall to another side.
    quantised = fake_quantize_weight(weight.detach(), step, bits)
    return (quantised / step.view(-1, *[1] * (weight.dim() - 1))).round_().to(torch.int32)
