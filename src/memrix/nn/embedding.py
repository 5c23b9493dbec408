"""``nn.Embedding``, read row by row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from memrix.errors import InputError
from memrix.nn.geometry import Geometry, name_of


class EmbeddingGeometry(Geometry):
    """An index drives its word line at full voltage, all others at 0 V. It is not an activation and has no range."""

    observed = False

    def bias(self, layer: Any) -> Tensor | None:
        """None."""
        return None

    def weight_to_matrix(self, layer: Any, weight: Tensor) -> Tensor:
        """``[embedding_dim, num_embeddings]``."""
        return weight.t()

    def matrix_to_weight(self, layer: Any, matrix: Tensor) -> Tensor:
        """``[num_embeddings, embedding_dim]``."""
        return matrix.t()

    def functional_forward(
        self, layer: Any, input: Tensor, weight: Tensor, bias: Tensor | None, **options: Any
    ) -> Tensor:
        """The look-up; its gradient is dense, since quantizers know no sparse one."""
        return nn.functional.embedding(
            input, weight, layer.padding_idx, None, 2.0, layer.scale_grad_by_freq, sparse=False
        )

    def output_type(self, layer: Any, input: Tensor, autocast: torch.dtype | None) -> torch.dtype:
        """That of the weight, in any mode."""
        dtype: torch.dtype = layer.weight.dtype
        return dtype

    def require_input(self, layer: Any, input: Tensor) -> None:
        """Raise InputError unless an input holds indices."""
        if input.dtype not in (torch.int32, torch.int64):
            raise InputError(
                f"layer {name_of(layer)!r} is an embedding and takes indices of int64 or int32, got {input.dtype}"
            )
