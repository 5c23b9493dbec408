"""A layer on programmed crossbars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from memrix._support.transforms import transformed
from memrix.errors import ConversionError
from memrix.nn.cached_read import CachedRead
from memrix.nn.geometry import STATE
from memrix.nn.graphs import graph_node, is_proxy
from memrix.nn.inputs import require_dense
from memrix.nn.quantized import QuantizedLayer, move_keys, name_classes, quantized_output
from memrix.nn.reading import differentiable, read


class CrossbarLayer(QuantizedLayer):
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
        output = read(self, input, cached, options)
        if torch.is_grad_enabled():
            own = (input, self.weight, geometry.bias(self), *self.memrix._parameters.values())
            if any(t is not None and t.requires_grad for t in own):
                meant = differentiable(self, input, options)
                output = _value_of.apply(meant, output)  # type: ignore[no-untyped-call]
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
        record = state_dict.get(f"{prefix}{STATE}.array._extra_state")
        array = self.memrix.programmed
        if record is not None:
            array.require_same_hardware(record)  # before any tensor of the layer is touched
        super()._load_from_state_dict(state_dict, prefix, *others)
        if record is not None:
            array.take(self.weight)  # the cells that belong to it follow


name_classes(CrossbarLayer, "Memristor")


class _value_of(torch.autograd.Function):  # noqa: N801 - used like a function
    """The second argument's value with the first one's gradient."""

    @staticmethod
    def forward(ctx: Any, meant: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None
