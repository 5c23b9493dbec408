"""Best path of CTC: the most likely label of each frame."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from memrix.asr.search.emissions import BLANK, checked, utterances


def greedy_labels(log_probabilities: Tensor, lengths: Tensor) -> list[list[int]]:
    """Labels of each utterance by the best path: repeats collapsed, then blanks removed.

    Graves et al., "Connectionist temporal classification", ICML 2006, section 3.2.

    Args:
        log_probabilities: natural logarithms, ``[batch, frames, labels]``; label 0 is the blank.
        lengths: valid frames of each utterance, ``[batch]``.

    Raises:
        DataError: shapes that do not fit, lengths out of range, or no log-probabilities.
        InputError: values that are not numbers.
    """
    emissions = checked(utterances(log_probabilities, lengths), labels=log_probabilities.shape[-1])
    paths = [frames.argmax(axis=1) for frames in emissions]
    return [[int(label) for label in path[np.diff(path, prepend=-1) != 0] if label != BLANK] for path in paths]
