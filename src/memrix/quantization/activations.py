"""Activation quantization with static ranges: the digital picture of a DAC."""

from __future__ import annotations

import functools
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from memrix._support.torch_internals import clip_gradient, exporting
from memrix._support.transforms import straight_through, transformed

# Below it the reciprocal of a step would not be finite; a layer that sees only zeros gets this step.
_SMALLEST_STEP = torch.finfo(torch.float32).tiny


def activation_step(peak: Tensor, largest_code: int) -> Tensor:
    """Activation of one DAC code, shape of ``peak``, the largest magnitude that is to be represented."""
    return (peak / largest_code).clamp_min(_SMALLEST_STEP)


def fake_quantize_activations(activations: Tensor, step: Tensor, largest_code: int) -> Tensor:
    """Activations clipped and rounded to DAC codes and scaled back, with a straight-through gradient."""
    if transformed():
        codes = (activations.detach() * step.reciprocal()).round().clamp(-largest_code, largest_code)
        return straight_through(activations, codes * step, (largest_code + 0.5) * step)
    if activations.device.type == "cpu" and not exporting():
        return cast(Tensor, _ToCodes.apply(activations, step, largest_code))  # type: ignore[no-untyped-call]
    zero = torch.zeros_like(step, dtype=torch.int32)
    return torch.fake_quantize_per_tensor_affine(activations, step, zero, -largest_code, largest_code)


def quantized_activations(activations: Tensor, peak: float, largest_code: int) -> Tensor:
    """What ``fake_quantize_activations`` gives for a range that is a number, bit for bit; without a gradient.

    A layer that is called for a vector at a time would feel the arithmetic of steps that are tensors.
    """
    step, reciprocal = _steps(peak, largest_code)
    return (activations * reciprocal).round_().clamp_(-largest_code, largest_code).mul_(step)


@functools.lru_cache(maxsize=4096)
def _steps(peak: float, largest_code: int) -> tuple[float, float]:
    """A step and its reciprocal, in the arithmetic of float32."""
    step = max(np.float32(peak) / np.float32(largest_code), np.float32(_SMALLEST_STEP))
    return float(step), float(np.float32(1) / step)


class _ToCodes(torch.autograd.Function):
    """What ``torch.fake_quantize_per_tensor_affine`` computes, bit for bit, at a third of its time on a CPU."""

    @staticmethod
    def forward(ctx: Any, activations: Tensor, step: Tensor, largest_code: int) -> Tensor:  # noqa: ANN401
        codes = (activations * step.reciprocal()).round_()
        if not ctx.needs_input_grad[0]:
            return codes.clamp_(-largest_code, largest_code).mul_(step)
        ctx.save_for_backward(codes)
        ctx.bound = largest_code + 0.5
        return codes.clamp(-largest_code, largest_code).mul_(step)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (codes,) = ctx.saved_tensors
        return clip_gradient(gradient, codes, -ctx.bound, ctx.bound), None, None
