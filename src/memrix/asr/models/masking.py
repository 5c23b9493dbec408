"""Padded batches: which frames or targets count."""

from __future__ import annotations

import torch
from torch import Tensor


def valid_frames(lengths: Tensor, frames: int) -> Tensor:
    """True where a frame or target belongs to its utterance; ``[batch, frames]``, for ``lengths`` of ``[batch]``."""
    return torch.arange(frames, device=lengths.device) < lengths.unsqueeze(1)
