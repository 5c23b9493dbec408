"""``nn.Embedding`` with a fake-quantised weight, and on a crossbar that is read row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from memrix.errors import NumericsError
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.series import Series


class QuantizedEmbedding(QuantizedLayer, nn.Embedding):
    """``nn.Embedding`` on a weight that is fake-quantised; an index is no activation and has no range."""

    observed = False
    bias = None

    def rows(self, weight: Tensor) -> Tensor:
        """``[embedding_dim, num_embeddings]``."""
        return weight.t()

    def from_rows(self, rows: Tensor) -> Tensor:
        """``[num_embeddings, embedding_dim]``."""
        return rows.t()

    def quantized_input(self, input: Tensor) -> Tensor:
        """The indices as they are."""
        return input

    def digital(self, activations: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The look-up; its gradient is dense, since quantisers know no sparse one."""
        return nn.functional.embedding(
            activations, weight, self.padding_idx, None, 2.0, self.scale_grad_by_freq, sparse=False
        )


class MemristorEmbedding(CrossbarLayer, QuantizedEmbedding):
    """``nn.Embedding`` on a crossbar: an index drives its word line at full voltage, all others rest."""

    def analog_input(self, input: Tensor) -> Tensor:
        """The indices as they are."""
        return input

    def require_input(self, activations: Tensor) -> None:
        """Raise NumericsError unless an input holds indices of rows."""
        if activations.dtype not in (torch.int32, torch.int64):
            raise NumericsError(
                f"layer {self.name!r} is an embedding and takes indices of int64 or int32, got {activations.dtype}"
            )
        if not activations.numel():
            return
        lowest, highest = (int(end) for end in activations.aminmax())
        if lowest < 0 or highest >= self.num_embeddings:
            raise NumericsError(
                f"layer {self.name!r} holds {self.num_embeddings} rows, got indices from {lowest} to {highest}"
            )

    def _read(self, activations: Tensor, series: Series, options: Mapping[str, Any]) -> Tensor:
        results = self.crossbar.look_up(activations.reshape(-1).long())
        scaled = results.mul_(self.weight_step)
        return scaled.view(*activations.shape, self.embedding_dim).to(self.weight.dtype)
