"""The learning rate over a training: straight lines between a few points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def learning_rate(progress: float, rates: Sequence[float], phases: Sequence[float]) -> float:
    """The rate at ``progress`` from 0 to 1.

    Args:
        progress: share of the training that is done.
        rates: at the start, and at the end of each phase (arXiv 2505.24721: up, down, and down to almost nothing).
        phases: share of the training that each phase takes; they sum to 1.
    """
    ends = np.concatenate([[0.0], np.cumsum(phases)])
    return float(np.interp(progress, ends, rates))
