"""Best path of CTC: the most likely label of each frame."""

from __future__ import annotations

import torch
from torch import Tensor


def greedy_labels(log_probabilities: Tensor, lengths: Tensor) -> list[list[int]]:
    """Labels of each utterance, repeats collapsed and blanks (label 0) removed.

    Args:
        log_probabilities: ``[batch, frames, labels]``.
        lengths: valid frames, ``[batch]``.
    """
    best = log_probabilities.argmax(dim=2).cpu()
    result = []
    for path, length in zip(best, lengths.tolist(), strict=True):
        labels = torch.unique_consecutive(path[:length])
        result.append(labels[labels != 0].tolist())
    return result
