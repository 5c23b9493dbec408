"""What a layer on a chip computes: its input on the word lines, the results of its columns as its output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from memrix.errors import InputError
from memrix.nn.cached_read import CachedRead
from memrix.nn.quantized import quantized_input, quantized_weight
from memrix.nn.state import state_of

if TYPE_CHECKING:
    from memrix.nn.crossbar_layer import CrossbarLayer


def read(layer: CrossbarLayer, input: Tensor, cached: CachedRead | None, options: Mapping[str, Any]) -> Tensor:
    """The output of a layer, read from its crossbar, of the type that the torch layer's would have; no gradient.

    Raises:
        InputError: an input is on another device than the cells, not finite, or not of the type that the layer takes.
        WriteError: the weight has changed since it was written to the cells.
    """
    if input.device != layer.weight.device:
        raise InputError(
            f"the input of layer {layer.memrix.name!r} is on {input.device}, and its cells are on "
            f"{layer.weight.device}; move one of them with .to(...)"
        )
    geometry, device = layer.memrix.geometry, input.device.type
    autocast = torch.is_autocast_enabled(device)
    dtype = geometry.output_type(layer, input, torch.get_autocast_dtype(device) if autocast else None)
    # Modes are entered only where they are not those of the caller: a small layer would feel it.
    if torch.is_grad_enabled() or autocast:
        with torch.no_grad(), torch.autocast(device, enabled=False):
            return geometry.read(layer, input, cached or cached_read(layer), options).to(dtype)
    return geometry.read(layer, input, cached or cached_read(layer), options).to(dtype)


def cached_read(layer: CrossbarLayer) -> CachedRead:
    """What a call of a layer reads with, as the layer is now; to be called without gradients."""
    state, geometry = layer.memrix, layer.memrix.geometry
    array, dac, step = state.programmed, state.chip.dac, state.activation_step
    if array.written is None:
        array.take(layer.weight)
    scale = geometry.by_output(layer, array.weight_step * (step * dac.largest_code))
    offset = None
    if array.columns_calibrated:
        scale, offset = array.column_gain * scale, array.column_offset * scale
    bias = geometry.bias(layer)
    if bias is not None and geometry.outputs_last:
        offset, bias = bias.float() if offset is None else offset + bias, None
    elif bias is not None:
        bias = geometry.broadcast_bias(layer, bias)
    scale = (scale * array.crossbar.result_weight).reshape(-1)
    offset = None if offset is None else offset.reshape(-1)
    return CachedRead(array.crossbar, step.reciprocal(), scale, offset, bias, layer.weight, array.written)


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


def repeated(part: nn.Module) -> Callable[[Tensor], Tensor]:
    """A layer as a function that is called time after time before it changes, as at the steps of a sequence."""
    state = state_of(part)
    if state is None or state.array is None:
        return part
    layer = cast("CrossbarLayer", part)
    with torch.no_grad():
        first = cached_read(layer)
    # The first call looks at the weight, for all of them.
    calls = iter([first])
    others = first._replace(weight=None, written=None)
    return lambda input: cast(Tensor, part(input, cached=next(calls, others)))
