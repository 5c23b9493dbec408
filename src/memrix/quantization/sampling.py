"""A uniform sample of the input vectors of a layer, over any number of batches."""

from __future__ import annotations

import torch
from torch import Tensor


class VectorSampler:
    """Keeps a number of vectors, each of all observed ones with the same probability.

    Every vector draws a key, and those with the smallest keys are kept.

    Args:
        count: vectors to keep at most.
        seed: of the keys.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._stream = torch.Generator().manual_seed(seed)
        self._keys = torch.empty(0, dtype=torch.float32)
        self._kept: Tensor | None = None

    def observe(self, vectors: Tensor) -> None:
        """Take in vectors ``[groups, vectors, inputs]``."""
        keys = torch.rand(vectors.shape[1], generator=self._stream, dtype=torch.float32)
        full = self._keys.numel() == self._count
        chosen = (keys < (float(self._keys.max()) if full else 1.0)).nonzero().squeeze(1)
        if chosen.numel() > self._count:
            chosen = chosen[keys[chosen].topk(self._count, largest=False).indices]
        keys = torch.cat([self._keys, keys[chosen]])
        picked = vectors.index_select(1, chosen.to(vectors.device))
        kept = picked if self._kept is None else torch.cat([self._kept, picked], dim=1)
        best = keys.topk(min(self._count, keys.numel()), largest=False).indices
        self._keys, self._kept = keys[best], kept.index_select(1, best.to(kept.device))

    def vectors(self) -> Tensor:
        """The sample, ``[groups, at most count, inputs]``; at least one vector must have been observed."""
        if self._kept is None:
            raise ValueError("no vector was observed")
        return self._kept.contiguous()
