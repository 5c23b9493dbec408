"""Fake quantizers whose steps are learned (LSQ, Esser et al., arXiv 1902.08153)."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

from memrix._support.torch_internals import clip_gradient, exporting
from memrix._support.transforms import transformed
from memrix.quantization.weights import divisor

# A step that training pushes to 0 or beyond stays a step.
_SMALLEST = torch.finfo(torch.float32).tiny


def learned_rows(rows: Tensor, step: Tensor, limit: int) -> Tensor:
    """Rows ``[outputs, inputs]`` quantized with steps ``[1]`` or ``[outputs]`` that have a gradient.

    A step of 0 is that of a row that is all 0: it has no gradient, and its row keeps its own.
    """
    step = divisor(step.abs()).clamp_min(_SMALLEST).view(-1, 1)
    share = rows.numel() / step.numel()
    return _learned(rows, step, limit, 1 / math.sqrt(share * limit))


def learned_activations(values: Tensor, step: Tensor, largest_code: int) -> Tensor:
    """Values quantized with one step that has a gradient."""
    factor = 1 / math.sqrt(values.numel() * largest_code)
    step = step.abs().clamp_min(_SMALLEST).reshape(())
    return _learned(values, step, largest_code, factor)


def _learned(values: Tensor, step: Tensor, limit: int, factor: float) -> Tensor:
    """Values on steps that broadcast, whose gradient counts ``factor`` times."""
    if not transformed() and not exporting():
        return cast(Tensor, _OnLearnedSteps.apply(values, step, limit, factor))  # type: ignore[no-untyped-call]
    scaled = step * factor
    step = step.detach() + (scaled - scaled.detach())  # its value, with its gradient times the factor
    exact = values * step.reciprocal()
    codes = exact.detach().round()
    clipped = codes.clamp(-limit, limit)
    exact = torch.where(codes == clipped, exact, clipped)
    return (clipped + (exact - exact.detach())) * step


class _OnLearnedSteps(torch.autograd.Function):
    """What ``_fake_quantize_learnable_per_tensor_affine`` of PyTorch computes, in fewer passes over the values.

    That operator makes a tensor of the values' size for the gradient of the step, and one for that of a zero point.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, step: Tensor, limit: int, factor: float) -> Tensor:  # noqa: ANN401
        scaled = values * step.reciprocal()
        codes = scaled.round().clamp_(-limit, limit)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(scaled)
            ctx.limit, ctx.factor, ctx.shape = limit, factor, step.shape
        return codes.mul_(step)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:  # noqa: ANN401
        (scaled,) = ctx.saved_tensors
        codes, limit = scaled.round(), ctx.limit
        # Where a value is clipped, its gradient is 0, and that of the step is the code.
        ends = -limit - 0.5, limit + 0.5
        of_values = clip_gradient(gradient, codes, *ends)
        unclipped = clip_gradient(scaled, codes, *ends)
        errors = codes.clamp_(-limit, limit).sub_(unclipped).mul_(gradient)
        return of_values, errors.sum_to_size(ctx.shape) * ctx.factor, None, None
