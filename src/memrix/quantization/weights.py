"""Symmetric weight quantization: integers from ``-(2**(bits-1) - 1)`` to ``2**(bits-1) - 1``.

Weights are matrices ``[outputs, inputs]`` for every layer. 1.5 bits means ternary weights, which are the symmetric
weights of 2 bits.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from memrix._support.transforms import straight_through, transformed
from memrix.quantization.least_error import least_error_range

WeightScale = Literal["per-tensor", "per-output-channel"]
WeightRange = Literal["abs-max", "mean-square-error"]
TERNARY_BITS = 1.5


def largest_integer(bits: float) -> int:
    """Largest magnitude of a symmetric integer of ``bits`` bits."""
    return (1 << (math.ceil(bits) - 1)) - 1


def weight_step(rows: Tensor, bits: float, scale: WeightScale, weight_range: WeightRange = "abs-max") -> Tensor:
    """Weight of one integer step: ``[1]`` per tensor, ``[outputs]`` per output channel (the first axis).

    With ``abs-max`` the largest magnitude becomes the largest integer, with ``mean-square-error`` the magnitude with
    the least mean squared error of the weights. If all weights are 0 the step is 0, and the output is 0 for any
    reading of the cells.
    """
    magnitude = rows.detach().abs()
    if scale == "per-tensor":
        magnitude = magnitude.reshape(1, -1)
    limit = largest_integer(bits)
    peak = magnitude.amax(1) if weight_range == "abs-max" else least_error_range(magnitude, limit)
    step = peak / limit
    # Below it the reciprocal of a step would not be finite.
    return torch.where(step >= torch.finfo(step.dtype).tiny, step, torch.zeros_like(step))


def fake_quantize_rows(rows: Tensor, step: Tensor, bits: float) -> Tensor:
    """Weights rounded to integers and scaled back, with a straight-through gradient; shape of ``rows``."""
    limit = largest_integer(bits)
    step = divisor(step)
    if transformed():
        width = step.view(-1, 1)
        quantized = (rows.detach() * width.reciprocal()).round().clamp(-limit, limit) * width
        return straight_through(rows, quantized, (limit + 0.5) * width)
    zero = torch.zeros_like(step, dtype=torch.int32)
    if step.numel() == 1:
        return torch.fake_quantize_per_tensor_affine(rows, step, zero, -limit, limit)
    return torch.fake_quantize_per_channel_affine(rows, step, zero, 0, -limit, limit)


def weight_integers(rows: Tensor, step: Tensor, bits: float) -> Tensor:
    """The integers (int32, shape of ``rows``) that ``fake_quantize_rows`` scales back."""
    # Through the fake quantizer itself, so that a tie can never fall to another side.
    quantized = fake_quantize_rows(rows.detach(), step, bits)
    return (quantized / divisor(step).view(-1, 1)).round_().to(torch.int32)


def divisor(step: Tensor) -> Tensor:
    """Steps to divide by: 1 instead of 0, the step of weights that are all 0."""
    return torch.where(step > 0, step, torch.ones_like(step))
