"""The prior of the labels: the mean posterior of a CTC model."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from memrix.asr.features import valid_frames
from memrix.asr.search.emissions import require_batch
from memrix.errors import DataError, InputError

_ROUNDING = 1e-3
"""Probabilities of a frame sum to 1 up to so much."""


def label_prior(batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Mean posterior of each label over all valid frames: float64 ``[labels]``, positive, which sums to 1.

    A search divides posteriors by it (Bourlard and Morgan, "Connectionist Speech Recognition", 1994). For a chip,
    arXiv 2505.24721 takes the prior of the digital model.

    Args:
        batches: log-probabilities ``[batch, frames, labels]`` and valid frames ``[batch]``, of training or dev data.

    Raises:
        DataError: no frames, shapes that do not fit, or frames whose probabilities do not sum to 1.
        InputError: values that are not numbers.
    """
    total: Tensor | None = None
    frames = 0
    for log_probabilities, lengths in batches:
        require_batch(log_probabilities, lengths)
        valid = valid_frames(lengths.to(log_probabilities.device), log_probabilities.shape[1])
        posteriors = log_probabilities.detach()[valid].double().exp()  # [valid frames, labels]
        sums = posteriors.sum(dim=1)
        if not torch.isfinite(sums).all():
            raise InputError("log-probabilities are not finite numbers; look for what went wrong in the model before")
        if len(sums) and (farthest := float((sums - 1.0).abs().max())) > _ROUNDING:
            raise DataError(
                f"the probabilities of a frame sum to 1, here they miss it by up to {farthest:.3g}; give the output "
                "of log_softmax"
            )
        if total is not None and len(total) != posteriors.shape[1]:
            raise DataError(
                f"batches with {len(total)} and with {posteriors.shape[1]} labels; all must be of one model"
            )
        summed = posteriors.sum(dim=0).cpu()
        total = summed if total is None else total + summed
        frames += len(posteriors)
    if total is None or frames == 0:
        raise DataError("a label prior needs at least one frame, got none; give log-probabilities of some recordings")
    # The probability of a label that never occurs may underflow, and decoding takes its logarithm.
    return (total / total.sum()).clamp_min(torch.finfo(torch.float64).tiny)
