"""Weights as symmetric integers, activations as the codes of a converter, and quantization-aware training."""

from memrix.quantization.activations import (
    activation_step,
    fake_quantize_activations,
    quantized_activations,
)
from memrix.quantization.learned import learned_activations, learned_rows
from memrix.quantization.training import Quantization, updated_range
from memrix.quantization.weights import (
    TERNARY_BITS,
    WeightRange,
    WeightScale,
    fake_quantize_rows,
    largest_integer,
    weight_integers,
    weight_step,
)

__all__ = [
    "TERNARY_BITS",
    "Quantization",
    "WeightRange",
    "WeightScale",
    "activation_step",
    "fake_quantize_activations",
    "fake_quantize_rows",
    "largest_integer",
    "learned_activations",
    "learned_rows",
    "quantized_activations",
    "updated_range",
    "weight_integers",
    "weight_step",
]
