"""Weights as symmetric integers, activations as the codes of a converter, and the settings of training.

Functions of tensors: nothing here knows of layers or cells. The same rounding serves training and programming, so
that ideal hardware computes exactly what was trained::

    weight [outputs, inputs] --- weight_step ---> step --- fake_quantize_rows ---> weight of whole steps   training
                                 abs-max, or       |
                                 least error       +------ weight_integers ------> integers                programming

    input --- RangeObserver (calibration) ---> range --- activation_step ---> step --- fake_quantize_activations
              updated_range (training)

    learned steps (LSQ): learned_rows, learned_activations; the step has a gradient of its own

Where to look::

    weights, least_error   steps and integers of weights; the range with the least squared error
    activations            the same of activations, at the codes of a DAC
    observers, sampling    ranges from data; a uniform sample of input vectors, for tuning after programming
    training               ``Quantization``: observers, learned steps, noise, device resampling
    learned                fake quantizers with learned steps
    compensation           weights rounded so that they make up for each other's errors
    packing                integers of few bits as a stream of bits, for files
"""

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
