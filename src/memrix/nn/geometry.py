"""How a layer's operation is a product of vectors and matrices: one stateless object a layer type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from memrix.errors import InputError
from memrix.nn.keys import STATE


class Geometry:
    """Weight to matrix and back, input to vectors, results to output. Every method is given the layer.

    Attributes:
        observed: whether inputs have a range to be found; an index has none.
        outputs_last: whether the output is the results unchanged, but for the shape of its other axes.
        arguments: names of the arguments of the torch layer's ``forward``; the first is the input.
    """

    observed: ClassVar[bool] = True
    outputs_last: ClassVar[bool] = False
    arguments: ClassVar[tuple[str, ...]] = ("input",)

    def groups(self, layer: Any) -> int:
        """Number of matrices in the weight, each with separate inputs and outputs."""
        return 1

    def bias(self, layer: Any) -> Tensor | None:
        """``[outputs]``, or None."""
        bias: Tensor | None = layer.bias
        return bias

    def weight_to_matrix(self, layer: Any, weight: Tensor) -> Tensor:
        """``[groups * outputs, inputs]``: what each output multiplies its inputs by, of a tensor like the weight."""
        raise NotImplementedError

    def matrix_to_weight(self, layer: Any, matrix: Tensor) -> Tensor:
        """The inverse of ``weight_to_matrix``."""
        raise NotImplementedError

    def unfold(self, layer: Any, values: Tensor) -> Tensor:
        """Input vectors ``[groups, batch, vectors, inputs]`` of values (floats or codes) shaped as the input.

        Raises:
            InputError: values of another shape.
        """
        raise NotImplementedError

    def fold(self, layer: Any, results: Tensor, shape: torch.Size, **options: Any) -> Tensor:
        """The output, without bias, of results ``[groups, batch, vectors, outputs]`` for an input of ``shape``."""
        raise NotImplementedError

    def functional_forward(
        self,
        layer: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        **options: Any,
    ) -> Tensor:
        """The layer's own operation, with a weight and a bias that are given."""
        raise NotImplementedError

    def broadcast_bias(self, layer: Any, bias: Tensor) -> Tensor:
        """Values ``[outputs]`` shaped to broadcast over the layer's output."""
        raise NotImplementedError

    def windows(self, layer: Any, values: Tensor) -> tuple[Tensor, int]:
        """What ``unfold`` gives, as a view where that takes no copy: ``[groups, batch, *vectors, *inputs]``.

        Returns:
            The view, and its axes of vectors, the batch among them.
        """
        return self.unfold(layer, values), 2

    def output_type(self, layer: Any, input: Tensor, autocast: torch.dtype | None) -> torch.dtype:
        """The type of the torch layer's output; ``autocast``: the type of that mode, where it is on."""
        return input.dtype if autocast is None or input.dtype == torch.float64 else autocast

    def require_input(self, layer: Any, input: Tensor) -> None:
        """Raise InputError unless an input is of floating-point numbers."""
        if not input.is_floating_point():
            raise InputError(
                f"the input of layer {name_of(layer)!r} is of type {input.dtype}, expected floating-point numbers; "
                f"call .float() on it"
            )

    def matrices(self, layer: Any, weight: Tensor) -> Tensor:
        """``[groups, inputs, outputs]`` of a tensor shaped as the layer's weight."""
        return self.split(layer, self.weight_to_matrix(layer, weight))

    def matrix_shape(self, layer: Any) -> tuple[int, int, int]:
        """Groups, inputs and outputs of a layer's matrices; nothing is computed."""
        groups, inputs, outputs = self.matrices(layer, layer.weight.detach().to("meta")).shape
        return groups, inputs, outputs

    def from_matrices(self, layer: Any, matrices: Tensor) -> Tensor:
        """The inverse of ``matrices``."""
        return self.matrix_to_weight(layer, matrices.transpose(1, 2).flatten(0, 1))

    def split(self, layer: Any, matrix: Tensor) -> Tensor:
        """``[groups, inputs, outputs]`` of ``[groups * outputs, inputs]``."""
        return matrix.reshape(self.groups(layer), -1, matrix.shape[1]).transpose(1, 2)

    def by_output(self, layer: Any, values: Tensor) -> Tensor:
        """``[1, 1, 1]`` or ``[groups, 1, outputs]`` of one value, or of one an output."""
        return values.view(1, 1, 1) if values.numel() == 1 else values.view(self.groups(layer), 1, -1)

    def bind(self, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """The input and the options of a call, whichever way they were given.

        Raises:
            InputError: there is no input, or an argument that the torch layer does not have.
        """
        if len(inputs) == 1 and not named:
            return inputs[0], {}
        first, *others = self.arguments
        known = dict(zip(self.arguments, inputs, strict=False))
        if len(inputs) > len(self.arguments):
            raise InputError(f"a layer of {', '.join(self.arguments)} got {len(inputs)} positional arguments")
        for name, value in named.items():
            if name not in self.arguments or name in known:
                raise InputError(f"a layer of {', '.join(self.arguments)}, each once, got {name!r}")
            known[name] = value
        if first not in known:
            raise InputError(f"a layer was called without its {first!r}")
        return known[first], {name: known[name] for name in others if name in known}


def name_of(layer: Any) -> str:
    """The name of a layer in its model, or that of its class before it has one."""
    state = layer._modules.get(STATE)
    return type(layer).__name__ if state is None else str(state.name)
