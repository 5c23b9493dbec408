"""Multi-head self-attention of the Conformer, with or without relative positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

_ATTENTION = {"attention", "self_attn"}  # as attention layers are called here and in transformers


class SelfAttention(nn.Module):
    """Self-attention with separate linear layers as projections, so that each can run on crossbars.

    Args:
        width: of input and output, a multiple of ``heads``.
        heads: attention heads.
        dropout: of attention weights.
        relative_positions: whether keys are also weighed by their distance from the query, as in Transformer-XL
            (Dai et al., arXiv 1901.02860, section 3.3); arXiv 2505.24721 has no positions, arXiv 2606.13379 these.
    """

    def __init__(self, width: int, heads: int, dropout: float, relative_positions: bool) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.position = nn.Linear(width, width, bias=False) if relative_positions else None
        if relative_positions:
            self.content_bias = nn.Parameter(torch.zeros(heads, 1, width // heads))
            self.position_bias = nn.Parameter(torch.zeros(heads, 1, width // heads))

    def forward(self, values: Tensor, valid: Tensor) -> Tensor:
        """``[batch, frames, width]`` to the same shape; unseen are frames not ``valid``, of ``[batch, frames]``."""
        query, key, value = (self._split(part(values)) for part in (self.query, self.key, self.value))
        # An utterance without a single valid frame attends to its padding: no frame of it counts, and none is NaN.
        seen = valid | ~valid.any(dim=1, keepdim=True)
        mask = seen[:, None, None, :]
        if self.position is not None:
            scores = self._distance_scores(query, self.position)
            mask = scores.masked_fill(~mask, -math.inf)
            query = query + self.content_bias
        dropout = self.dropout if self.training else 0.0
        attended = scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        result: Tensor = self.output(attended.transpose(1, 2).flatten(2))
        return result

    def _split(self, values: Tensor) -> Tensor:
        """``[batch, frames, width]`` to ``[batch, heads, frames, width / heads]``."""
        batch, frames, width = values.shape
        return values.reshape(batch, frames, self.heads, width // self.heads).transpose(1, 2)

    def _distance_scores(self, query: Tensor, position: nn.Linear) -> Tensor:
        """What distances add to the scores, with the same scale; ``[batch, heads, frames, frames]``."""
        frames, width = query.shape[2], position.in_features
        codes = sinusoids(frames, width, query)  # of distances from frames - 1 down to 1 - frames
        keys = self._split(position(codes.unsqueeze(0)))  # [1, heads, 2 * frames - 1, width / heads]
        scores = (query + self.position_bias) @ keys.transpose(2, 3)  # [batch, heads, frames, 2 * frames - 1]
        # Query i meets key j at distance i - j: the column frames - 1 - i + j.
        rows = torch.arange(frames, device=query.device)
        columns = frames - 1 - rows.unsqueeze(1) + rows
        picked = scores.gather(3, columns.expand(*scores.shape[:3], frames))
        return picked / math.sqrt(query.shape[3])


def position_biases(network: nn.Module) -> tuple[str, ...]:
    """Names of attention layers with their own biases for relative positions; biases are added digitally."""
    return tuple(
        name
        for name, part in network.named_modules()
        if name.rpartition(".")[2] in _ATTENTION and any(value is not None for value in part._parameters.values())
    )


def sinusoids(frames: int, width: int, like: Tensor) -> Tensor:
    """Codes ``[2 * frames - 1, width]`` of distances, largest first (Vaswani et al., arXiv 1706.03762)."""
    distances = torch.arange(frames - 1, -frames, -1, device=like.device, dtype=torch.float32)
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10_000.0) / width))
    angles = distances.unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width].to(like.dtype)
