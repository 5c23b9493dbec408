"""A layer on programmed crossbars."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from memrix._support.transforms import transformed
from memrix.errors import ConversionError, InputError
from memrix.nn.cached_read import CachedRead, cached_read
from memrix.nn.chip_gradients import with_gradients
from memrix.nn.fake_quantization import quantized_output
from memrix.nn.graphs import graph_node, is_proxy
from memrix.nn.inputs import require_dense
from memrix.nn.keys import ARRAY, RECORD, move_keys
from memrix.nn.quantized import QuantizedLayer


class CrossbarLayer(QuantizedLayer, prefix="Memristor"):
    """A layer that runs on a programmed crossbar.

    Its gradient is the exact one of the noiseless analog mean with respect to inputs, straight through the
    converters; with respect to the weight it is that of the fake-quantized layer, on inputs as the currents stand for
    them. Its ``weight`` is a record of what the cells were written from: once it is another, every call is an error
    until ``memrix.write`` has written it.
    """

    def forward(self, *inputs: Any, cached: CachedRead | None = None, **named: Any) -> Tensor:
        """The layer's operation on the chip; arguments, shape and type as of the torch layer.

        Args:
            inputs: as the torch layer takes them.
            cached: of this layer, where it is called time after time before it changes.
            named: as the torch layer takes them.

        Raises:
            InputError: an input is not a dense tensor, not finite, or not of the layer's shape, type or device.
            ConversionError: a function transform would have to see through the cells.
            WriteError: the weight has changed since it was written to the cells.
        """
        if self.memrix.observing:
            return super().forward(*inputs, **named)
        geometry = self.memrix.geometry
        if is_proxy(inputs):  # of all arguments, where nothing but this layer is traced
            return graph_node(self, inputs, {})
        input, options = geometry.bind(inputs, named)
        if is_proxy(input):
            return graph_node(self, input, options)
        require_dense(self.memrix.name, input)
        if transformed():
            raise ConversionError(
                f"layer {self.memrix.name!r} reads cells of a chip, which torch.func (vmap, grad, jvp, ...) and "
                f"forward-mode differentiation cannot transform; call the chip on a batch, with backward(), "
                f"torch.autograd.grad or torch.autograd.functional; torch.func.functional_call alone works too"
            )
        output = _read(self, input, cached, options)
        if torch.is_grad_enabled():
            output = with_gradients(self, input, output, options)
        return quantized_output(self, output, None)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        array = self.memrix.programmed
        outdated = array.is_outdated(self.weight)
        applied = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if not outdated:
            array.take(self.weight)  # what it is cast to next is compared with this
        return applied

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *others: Any) -> None:
        move_keys(self, state_dict, prefix)
        record = state_dict.get(f"{prefix}{ARRAY}.{RECORD}")
        array = self.memrix.programmed
        if record is not None:
            array.require_same_hardware(record)  # before any tensor of the layer is touched
        array.expect_line_states(state_dict, f"{prefix}{ARRAY}.")
        super()._load_from_state_dict(state_dict, prefix, *others)
        if record is not None:
            array.take(self.weight)  # the cells that belong to it follow


def _read(layer: CrossbarLayer, input: Tensor, cached: CachedRead | None, options: Mapping[str, Any]) -> Tensor:
    """The output, of the type that the torch layer's would have, without a gradient."""
    if input.device != layer.weight.device:
        raise InputError(
            f"the input of layer {layer.memrix.name!r} is on {input.device}, and its cells are on "
            f"{layer.weight.device}; move one of them with .to(...)"
        )
    geometry, device = layer.memrix.geometry, input.device.type
    geometry.require_input(layer, input)
    autocast = torch.is_autocast_enabled(device)
    dtype = geometry.output_type(layer, input, torch.get_autocast_dtype(device) if autocast else None)
    compute = _multiply if geometry.observed else _look_up
    # Modes are entered only where they are not those of the caller: a small layer would feel it.
    if torch.is_grad_enabled() or autocast:
        with torch.no_grad(), torch.autocast(device, enabled=False):
            return compute(layer, input, cached or cached_read(layer), options).to(dtype)
    return compute(layer, input, cached or cached_read(layer), options).to(dtype)


def _multiply(layer: CrossbarLayer, input: Tensor, cached: CachedRead, options: Mapping[str, Any]) -> Tensor:
    """Input to vectors, vectors through the crossbar, results to output."""
    geometry = layer.memrix.geometry
    crossbar, codes_per_unit, scale, offset, bias, weight, written = cached
    windows, axes = geometry.windows(layer, input.float())
    results = crossbar.read(windows, axes, codes_per_unit, scale, offset, weight, written)
    groups, _, outputs = results.shape
    by_item = results.view(groups, windows.shape[1], math.prod(windows.shape[2 : 1 + axes]), outputs)
    output = geometry.fold(layer, by_item, input.shape, **options)
    return output if bias is None else output + bias


def _look_up(layer: CrossbarLayer, input: Tensor, cached: CachedRead, options: Mapping[str, Any]) -> Tensor:
    """Rows of the weight at indices."""
    rows = cached.crossbar.read_rows(input.reshape(-1).long(), cached.weight, cached.written)
    return rows.mul(layer.memrix.programmed.weight_step).view(*input.shape, rows.shape[-1])
