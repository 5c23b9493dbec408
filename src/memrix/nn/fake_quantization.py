"""Weight, inputs and outputs of a layer rounded to the integers of its chip, with straight-through gradients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from memrix._support.random import derive, fill_normal_
from memrix._support.transforms import has_values, recording, transformed
from memrix.crossbar.fingerprint import Fingerprint
from memrix.errors import CalibrationError
from memrix.nn.recomputation import Call
from memrix.quantization import (
    activation_step,
    fake_quantize_activations,
    fake_quantize_rows,
    largest_integer,
    learned_activations,
    learned_rows,
    quantized_activations,
)

if TYPE_CHECKING:
    from memrix.nn.quantized import QuantizedLayer


def quantized_weight(layer: QuantizedLayer, call: Call | None = None) -> Tensor:
    """The weight as the chip's integers allow, with a straight-through gradient.

    Args:
        layer: a quantized layer.
        call: in training, whose noise there may be; by default that of a call now, where weights are noisy.
    """
    state, weight = layer.memrix, layer.weight
    if state.unrounded:
        return weight
    if layer.training or recording() or transformed() or (torch.is_grad_enabled() and weight.requires_grad):
        return _quantized(layer, call)
    learned = state.learned_weight_step
    key = None if learned is None else Fingerprint.of(learned)
    return state.cache.get(weight, key, lambda: _quantized(layer, None).detach())


def _quantized(layer: QuantizedLayer, call: Call | None) -> Tensor:
    state, geometry, weight = layer.memrix, layer.memrix.geometry, layer.weight
    matrix = geometry.weight_to_matrix(layer, weight.float())
    bits = state.chip.weight_bits
    step = state.weight_step(matrix)
    if state.learned_weight_step is not None:
        quantized = learned_rows(matrix, step, largest_integer(bits))
    else:
        quantized = fake_quantize_rows(matrix, step, bits)
    if layer.training and state.noisy:
        quantized = quantized + _weight_noise(layer, quantized, step.detach(), call)
    made: Tensor = geometry.matrix_to_weight(layer, quantized).to(weight.dtype)
    return made


def _weight_noise(layer: QuantizedLayer, matrix: Tensor, step: Tensor, call: Call | None) -> Tensor:
    """Gaussian noise on the weights of every bit slice, as shares of its full scale."""
    quantization: Any = layer.memrix.quantization
    slices = torch.tensor(layer.memrix.chip.layout(1, 1, 1).plane_weights, dtype=torch.float64)
    deviation = quantization.weight_noise * float(slices.square().sum().sqrt())
    if torch.compiler.is_compiling():
        noise = torch.randn_like(matrix)
    else:
        seed = derive((call or layer.memrix.calls.begin()).seed, "weight noise", str(quantization.seed))
        noise = torch.empty_like(matrix, memory_format=torch.contiguous_format)
        fill_normal_(noise, torch.Generator(noise.device).manual_seed(seed))
    scaled: Tensor = noise * (step.view(-1, 1) * deviation)
    return scaled


def quantized_input(layer: QuantizedLayer, input: Tensor, peak: Tensor | None = None) -> Tensor:
    """The input as DAC codes allow, with a straight-through gradient.

    Args:
        layer: a quantized layer.
        input: as the layer takes it.
        peak: the range, where it is not the present one; a learned one goes before.
    """
    state = layer.memrix
    if not state.geometry.observed:
        return input
    largest = state.chip.dac.largest_code
    if state.learned_input_range is not None:
        return learned_activations(input.float(), state.activation_step, largest).to(input.dtype)
    step = state.activation_step if peak is None else state.step_of(peak)
    return fake_quantize_activations(input.float(), step, largest).to(input.dtype)


def evaluated_input(layer: QuantizedLayer, input: Tensor) -> Tensor:
    """The input in evaluation, as DAC codes allow.

    Raises:
        CalibrationError: the layer has no activation range.
    """
    state = layer.memrix
    plain = state.learned_input_range is None and state.geometry.observed and input.device.type == "cpu"
    if not plain or torch.is_grad_enabled() or recording() or transformed():
        state.require_calibration()
        return quantized_input(layer, input)
    peak = float(state.input_range)
    if not math.isfinite(peak):
        state.require_calibration()
    return quantized_activations(input.float(), peak, state.chip.dac.largest_code).to(input.dtype)


def quantized_output(layer: QuantizedLayer, output: Tensor, call: Call | None) -> Tensor:
    """The output, quantized where outputs are; ``call``: in training.

    Raises:
        CalibrationError: the output has no range.
    """
    state = layer.memrix
    peak = state.range_of_outputs(output, call)
    if peak is None:
        return output
    if has_values(peak) and bool(peak.isnan()):
        raise CalibrationError(
            f"the output of layer {state.name!r} is to be quantized and has no range; train a step, or run "
            f"memrix.calibrate(model, batches, hardware) on the quantized model"
        )
    largest = state.chip.dac.largest_code
    step = activation_step(peak, largest)
    return fake_quantize_activations(output.float(), step, largest).to(output.dtype)
