"""Weights as symmetric integers, activations as the codes of a converter."""

from memrix.quantization.activations import activation_step, fake_quantize_activations
from memrix.quantization.weights import (
    TERNARY_BITS,
    WeightScale,
    fake_quantize_rows,
    largest_integer,
    weight_integers,
    weight_step,
)

__all__ = [
    "TERNARY_BITS",
    "WeightScale",
    "activation_step",
    "fake_quantize_activations",
    "fake_quantize_rows",
    "largest_integer",
    "weight_integers",
    "weight_step",
]
