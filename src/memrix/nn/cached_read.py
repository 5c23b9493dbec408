"""A layer on a chip, prepared for reading: what its calls share as long as it does not change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from memrix.crossbar import Crossbar
from memrix.nn.state import state_of

if TYPE_CHECKING:
    from memrix.nn.crossbar_layer import CrossbarLayer


class CachedRead(NamedTuple):
    """What a call of a layer reads its crossbar with.

    Attributes:
        crossbar: of the layer.
        codes_per_unit: DAC codes of an input of 1.
        scale: output of a result of 1 of the crossbar, ``[1]`` or ``[groups * outputs]``.
        offset: added to it, likewise: of calibrated columns, and the bias of a layer whose outputs are last.
        bias: of any other layer, that broadcasts over its output.
        weight: that the cells must have been written from; None where it was looked at before.
        written: what the weight was told by when it was written.
    """

    crossbar: Crossbar
    codes_per_unit: Tensor
    scale: Tensor
    offset: Tensor | None
    bias: Tensor | None
    weight: Tensor | None
    written: Tensor | None


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


def of_torch_layer(named: Mapping[str, Any]) -> dict[str, Any]:
    """The named arguments of a call that the torch layer has too: a cached read says how a chip is read."""
    return {name: value for name, value in named.items() if name != "cached"}


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
