"""Fake quantizers whose steps are learned (LSQ, Esser et al., arXiv 1902.08153), by PyTorch's own operators."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from memrix._support.transforms import transformed
from memrix.quantization.weights import divisor

# A step that training pushes to 0 or beyond stays a step.
_SMALLEST = torch.finfo(torch.float32).tiny


def learned_rows(rows: Tensor, step: Tensor, limit: int) -> Tensor:
    """Rows ``[outputs, inputs]`` quantized with steps ``[1]`` or ``[outputs]`` that have a gradient.

    A step of 0 is that of a row that is all 0: it has no gradient, and its row keeps its own.
    """
    step = divisor(step.abs()).clamp_min(_SMALLEST)
    zero = torch.zeros_like(step)
    share = rows.numel() / step.numel()
    factor = 1 / math.sqrt(share * limit)
    if transformed():
        return _learned(rows, step.view(-1, 1), limit, factor)
    if step.numel() == 1:
        return torch._fake_quantize_learnable_per_tensor_affine(rows, step, zero, -limit, limit, factor)
    return torch._fake_quantize_learnable_per_channel_affine(rows, step, zero, 0, -limit, limit, factor)


def learned_activations(values: Tensor, step: Tensor, largest_code: int) -> Tensor:
    """Values quantized with one step that has a gradient."""
    factor = 1 / math.sqrt(values.numel() * largest_code)
    step = step.abs().clamp_min(_SMALLEST).reshape(1)
    if transformed():
        return _learned(values, step, largest_code, factor)
    zero = torch.zeros_like(step)
    return torch._fake_quantize_learnable_per_tensor_affine(values, step, zero, -largest_code, largest_code, factor)


def _learned(values: Tensor, step: Tensor, limit: int, factor: float) -> Tensor:
    """What the operators compute, from operations that any function transform knows; ``step`` broadcasts."""
    scaled = step * factor
    step = step.detach() + (scaled - scaled.detach())  # its value, with its gradient times the factor
    within = (values / step).clamp(-limit, limit)
    return (within.round().detach() + (within - within.detach())) * step
