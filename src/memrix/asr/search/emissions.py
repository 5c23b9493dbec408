"""What a CTC model puts out, checked: log-probabilities of labels by frame, label 0 being the blank."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from memrix.errors import DataError, InputError
from memrix.toolkit import listed

if TYPE_CHECKING:
    from torch import Tensor

Emissions = npt.NDArray[np.float32]
"""Log-probabilities of one utterance, ``[frames, labels]``."""

BLANK = 0
"""The label that says nothing."""

_ROUNDING = 1e-3
"""Log-probabilities may exceed 0 by so much."""


def utterances(log_probabilities: Tensor, lengths: Tensor) -> list[Emissions]:
    """The valid frames of each utterance of a batch.

    Args:
        log_probabilities: natural logarithms, ``[batch, frames, labels]``.
        lengths: valid frames of each utterance, ``[batch]``.

    Raises:
        DataError: shapes that do not fit, or lengths out of range.
    """
    require_batch(log_probabilities, lengths)
    valid, frames = [int(length) for length in lengths.tolist()], log_probabilities.shape[1]
    wrong = [f"utterance {i} has {n}" for i, n in enumerate(valid) if not 0 <= n <= frames]
    if wrong:
        raise DataError(f"lengths must be from 0 to the {frames} frames of the batch, but {listed(wrong)}")
    batch = as_array(log_probabilities)
    return [emissions[:length] for emissions, length in zip(batch, valid, strict=True)]


def require_batch(log_probabilities: Tensor, lengths: Tensor) -> None:
    """Raise DataError unless these are ``[batch, frames, labels]`` and ``[batch]``."""
    shape, counts = tuple(log_probabilities.shape), tuple(lengths.shape)
    if len(shape) != 3 or counts != shape[:1]:
        raise DataError(
            f"expected log-probabilities [batch, frames, labels] and lengths [batch], got shapes {list(shape)} "
            f"and {list(counts)}"
        )


def checked(items: Iterable[Tensor | npt.NDArray[np.floating]], labels: int) -> list[Emissions]:
    """Log-probabilities of utterances, each ``[frames, labels]``, as arrays in single precision.

    Raises:
        DataError: another shape, or values that are no log-probabilities; all utterances are listed.
        InputError: values that are not numbers.
    """
    arrays = [as_array(item) for item in items]
    wrong = [
        f"utterance {i} has shape {list(array.shape)}"
        for i, array in enumerate(arrays)
        if array.ndim != 2 or array.shape[1] != labels
    ]
    if wrong:
        raise DataError(f"expected log-probabilities [frames, {labels}] of {labels} labels, but {listed(wrong)}")
    undefined = [str(i) for i, array in enumerate(arrays) if np.isnan(array).any()]
    if undefined:
        raise InputError(
            f"log-probabilities of utterances {listed(undefined)} are not numbers; look for what went wrong in the "
            "model before"
        )
    positive = [
        f"utterance {i} has {array.max():.4g}"
        for i, array in enumerate(arrays)
        if array.size and array.max() > _ROUNDING
    ]
    if positive:
        raise DataError(f"log-probabilities are at most 0, but {listed(positive)}; give the output of log_softmax")
    return arrays


def as_array(values: Tensor | npt.NDArray[np.floating]) -> Emissions:
    """A tensor of any device, or an array, as an array in single precision."""
    return np.asarray(values if isinstance(values, np.ndarray) else values.detach().cpu().float(), dtype=np.float32)
