"""``nn.Linear`` with fake quantisers, and on crossbars; and the ``Conv1D`` of transformers, its transpose."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memrix.errors import ConversionError
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.quantized import QuantizedLayer


class _Projection(QuantizedLayer):
    """Vectors on the last axis."""

    outputs_last = True

    def vectors(self, values: Tensor) -> Tensor:
        """``[1, first axis, other axes, inputs]``."""
        inputs, shape = self.matrix_inputs, values.shape
        if not shape or shape[-1] != inputs:
            raise ConversionError(
                f"layer {self.name!r} takes [..., {inputs}], got {list(shape)}; "
                f"give inputs of the shape that the layer was made for"
            )
        batch = shape[0] if len(shape) > 1 else 1
        count = shape[:-1].numel()
        return values.reshape(1, batch, count // batch if batch else 0, inputs)

    def assemble(self, results: Tensor, shape: torch.Size) -> Tensor:
        """``[..., outputs]``."""
        return results.reshape(*shape[:-1], results.shape[-1])

    def along_outputs(self, bias: Tensor) -> Tensor:
        """As it is: outputs are the last axis."""
        return bias


class QuantizedLinear(_Projection, nn.Linear):
    """``nn.Linear`` on weights and inputs that are fake-quantised to what a chip can hold."""

    def rows(self, weight: Tensor) -> Tensor:
        """As it is."""
        return weight

    def from_rows(self, rows: Tensor) -> Tensor:
        """As they are."""
        return rows

    def digital(self, activations: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """``activations @ weight.T + bias``."""
        return nn.functional.linear(activations, weight, bias)


class MemristorLinear(CrossbarLayer, QuantizedLinear):
    """``nn.Linear`` on a programmed crossbar: input ``[..., in_features]``, output ``[..., out_features]``."""


class QuantizedConv1D(_Projection):
    """``transformers.Conv1D``, a linear layer whose weight is ``[inputs, outputs]``, on what a chip can hold."""

    def rows(self, weight: Tensor) -> Tensor:
        """Transposed."""
        return weight.t()

    def from_rows(self, rows: Tensor) -> Tensor:
        """Transposed."""
        return rows.t()

    def digital(self, activations: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """``activations @ weight + bias``."""
        product = activations @ weight
        return product if bias is None else product + bias


class MemristorConv1D(CrossbarLayer, QuantizedConv1D):
    """``transformers.Conv1D`` on a programmed crossbar."""
