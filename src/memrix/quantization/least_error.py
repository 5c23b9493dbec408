"""The range of a symmetric quantizer with the least mean squared error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memrix._support.compilation import compiled_sums
from memrix._support.threads import side_by_side

_CLIPS = 40  # ranges that the search tries
_BLOCK = 1 << 11  # values that are looked at for all ranges in turn: they stay in the cache
_PARTS = 8  # of the rows, for threads to share

Floats = npt.NDArray[np.float32]
Sums = npt.NDArray[np.float64]


def least_error_range(magnitudes: Tensor, largest_code: int) -> Tensor:
    """The range, ``[...]``, that changes magnitudes ``[..., n]`` least in mean square, to 1/40 of the largest.

    On a CPU every value is fetched once for all ranges, which takes a fraction of a training step.
    """
    peak = magnitudes.amax(-1)
    steps = _steps(peak, largest_code)
    if magnitudes.device.type == "cpu" and magnitudes.dtype == torch.float32 and not torch.compiler.is_compiling():
        changes = _changes_on_cpu(magnitudes, steps, largest_code)
    else:
        changes = _changes(magnitudes, steps, largest_code)
    # The first of equals is the widest range.
    best = changes.argmin(-1, keepdim=True)
    return peak * _shares(peak)[best.squeeze(-1)]


def _shares(like: Tensor) -> Tensor:
    """``[ranges]``: of the largest magnitude, descending from 1."""
    return torch.arange(_CLIPS, 0, -1, device=like.device).div(_CLIPS).to(like.dtype)


def _steps(peak: Tensor, largest_code: int) -> Tensor:
    """``[..., ranges]``."""
    return (peak[..., None] * _shares(peak) / largest_code).clamp_min(torch.finfo(peak.dtype).tiny)


def _changes(magnitudes: Tensor, steps: Tensor, largest_code: int) -> Tensor:
    """Sums of squared changes, float64 ``[..., ranges]``."""
    changes = []
    for step in steps.unbind(-1):
        step = step[..., None]
        error = (magnitudes / step).round_().clamp_(max=largest_code).mul_(step).sub_(magnitudes)
        changes.append(error.double().square_().sum(-1))
    return torch.stack(changes, -1)


def _changes_on_cpu(magnitudes: Tensor, steps: Tensor, largest_code: int) -> Tensor:
    rows = magnitudes.detach().reshape(-1, magnitudes.shape[-1]).contiguous()
    changes = torch.zeros((len(rows), _CLIPS), dtype=torch.float64)
    by_row = steps.detach().reshape(-1, _CLIPS).contiguous()
    length = max(1, -(-len(rows) // _PARTS))
    parts = (torch.split(each, length) for each in (rows, by_row, changes))
    side_by_side(
        lambda values, step, out: _sum_changes(values.numpy(), step.numpy(), np.float32(largest_code), out.numpy()),
        *(list(part) for part in parts),
        device=rows.device,
    )
    return changes.view(*steps.shape)


@compiled_sums
def _sum_changes(rows: Floats, steps: Floats, largest: np.float32, changes: Sums) -> None:
    """Add the squared changes of ``rows`` ``[rows, n]`` by steps ``[rows, ranges]`` to ``changes``."""
    for row in range(rows.shape[0]):
        for start in range(0, rows.shape[1], _BLOCK):
            stop = min(start + _BLOCK, rows.shape[1])
            for number in range(steps.shape[1]):
                step = steps[row, number]
                total = np.float32(0)
                for n in range(start, stop):
                    error = min(np.rint(rows[row, n] / step), largest) * step - rows[row, n]
                    total += error * error
                changes[row, number] += np.float64(total)
