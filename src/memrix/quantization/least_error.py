"""The range of a symmetric quantiser that loses least."""

from __future__ import annotations

import torch
from torch import Tensor

_CLIPS = 40  # ranges that the search tries


def least_error_range(magnitudes: Tensor, largest_code: int) -> Tensor:
    """The range, ``[...]``, that changes magnitudes ``[..., n]`` least in mean square, to 1/40 of the largest."""
    peak = magnitudes.amax(-1)
    best, least = peak, torch.full_like(peak, torch.inf)
    for share in range(_CLIPS, 0, -1):
        candidate = peak * (share / _CLIPS)
        step = (candidate / largest_code).clamp_min(torch.finfo(peak.dtype).tiny)[..., None]
        error = (magnitudes / step).round_().clamp_(max=largest_code).mul_(step).sub_(magnitudes)
        change = error.square_().sum(-1)
        best = torch.where(change < least, candidate, best)
        least = torch.minimum(change, least)
    return best
