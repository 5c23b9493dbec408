"""Gradients of a layer on a chip: those of its mean reading, which has no noise and no steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from memrix.nn.fake_quantization import quantized_input, quantized_weight

if TYPE_CHECKING:
    from memrix.nn.crossbar_layer import CrossbarLayer


def with_gradients(layer: CrossbarLayer, input: Tensor, output: Tensor, options: Mapping[str, Any]) -> Tensor:
    """An output that was read, with the gradients of the chip where any are asked for."""
    own = (input, layer.weight, layer.memrix.geometry.bias(layer), *layer.memrix.learned)
    if not any(tensor is not None and tensor.requires_grad for tensor in own):
        return output
    made: Tensor = _value_of.apply(differentiable(layer, input, options), output)  # type: ignore[no-untyped-call]
    return made


def differentiable(layer: CrossbarLayer, input: Tensor, options: Mapping[str, Any]) -> Tensor:
    """The layer's operation with the gradients of the chip.

    With respect to the input they go through the weights that the cells hold and the current that a voltage makes:
    they are those of the mean reading, straight through the converters. With respect to the weight they go through
    the mapping that was meant.
    """
    array, geometry = layer.memrix.programmed, layer.memrix.geometry
    with torch.no_grad():
        held = array.crossbar.matrices() * geometry.by_output(layer, array.weight_step)
        if array.columns_calibrated:
            held *= array.column_gain
        weight = geometry.from_matrices(layer, held).to(layer.weight.dtype)
    meant = quantized_weight(layer)
    through = weight + (meant - meant.detach())
    given = analog_input(layer, input)
    if given.is_floating_point() and not torch.is_autocast_enabled(given.device.type):
        given = given.to(through.dtype)  # cells take any precision, so the operation beside them does too
    return geometry.functional_forward(layer, given, through, geometry.bias(layer), **options)


def analog_input(layer: CrossbarLayer, input: Tensor) -> Tensor:
    """The share of the full current that inputs drive, in units of the input, with the slope of the current."""
    state = layer.memrix
    quantized = quantized_input(layer, input)
    if state.chip.dac.levels == "linearizing" or not state.geometry.observed:
        return quantized
    step, largest = state.activation_step, state.chip.dac.largest_code
    transfer = state.programmed.crossbar.transfer() * largest
    index = state.chip.dac.codes(input.detach().float(), step).long().add_(largest)
    slope = torch.gradient(transfer)[0][index].to(input.dtype)
    tangent = quantized * slope
    return tangent + ((transfer[index] * step).to(input.dtype) - tangent.detach())


class _value_of(torch.autograd.Function):  # noqa: N801 - used like a function
    """The second argument's value with the first one's gradient."""

    @staticmethod
    def forward(ctx: Any, meant: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None
