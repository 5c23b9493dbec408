"""Activation quantisation with static ranges: the digital picture of a DAC."""

from __future__ import annotations

import torch
from torch import Tensor

# Below it the reciprocal of a step would not be finite; a layer that sees only zeros gets this range.
SMALLEST_RANGE = 1e-12


def activation_step(peak: Tensor, largest_code: int) -> Tensor:
    """Activation of one DAC code, shape of ``peak``, the largest magnitude that is to be represented."""
    return peak.clamp_min(SMALLEST_RANGE) / largest_code


def fake_quantize_activations(activations: Tensor, step: Tensor, largest_code: int) -> Tensor:
    """Activations clipped and rounded to DAC codes and scaled back, with a straight-through gradient."""
    zero = torch.zeros_like(step, dtype=torch.int32)
    return torch.fake_quantize_per_tensor_affine(activations, step, zero, -largest_code, largest_code)
