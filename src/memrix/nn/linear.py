"""``nn.Linear``, and the ``Conv1D`` of transformers, its transpose."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from memrix.errors import InputError
from memrix.nn.geometry import Geometry, name_of


class LinearGeometry(Geometry):
    """Vectors on the last axis, a weight ``[outputs, inputs]``."""

    outputs_last = True

    def weight_to_matrix(self, layer: Any, weight: Tensor) -> Tensor:
        """Unchanged."""
        return weight

    def matrix_to_weight(self, layer: Any, matrix: Tensor) -> Tensor:
        """Unchanged."""
        return matrix

    def unfold(self, layer: Any, values: Tensor) -> Tensor:
        """``[1, first axis, other axes, inputs]``."""
        inputs, shape = self.weight_to_matrix(layer, layer.weight).shape[1], values.shape
        if not shape or shape[-1] != inputs:
            raise InputError(
                f"layer {name_of(layer)!r} takes [..., {inputs}], got {list(shape)}; "
                f"give inputs of the shape that the layer was made for"
            )
        batch = shape[0] if len(shape) > 1 else 1
        return values.reshape(1, batch, math.prod(shape[1:-1]), inputs)

    def fold(self, layer: Any, results: Tensor, shape: torch.Size, **options: Any) -> Tensor:
        """``[..., outputs]``."""
        return results.reshape(*shape[:-1], results.shape[-1])

    def functional_forward(
        self,
        layer: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        **options: Any,
    ) -> Tensor:
        """``input @ weight.T + bias``."""
        return nn.functional.linear(input, weight, bias)

    def broadcast_bias(self, layer: Any, bias: Tensor) -> Tensor:
        """Unchanged: outputs are the last axis."""
        return bias


class TransposedLinearGeometry(LinearGeometry):
    """``transformers.Conv1D``: a linear layer whose weight is ``[inputs, outputs]``."""

    arguments = ("x",)

    def weight_to_matrix(self, layer: Any, weight: Tensor) -> Tensor:
        """Transposed."""
        return weight.t()

    def matrix_to_weight(self, layer: Any, matrix: Tensor) -> Tensor:
        """Transposed."""
        return matrix.t()

    def functional_forward(
        self,
        layer: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        **options: Any,
    ) -> Tensor:
        """``input @ weight + bias``."""
        product = input @ weight
        return product if bias is None else product + bias
