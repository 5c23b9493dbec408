"""Digital gain and offset of every column, fitted to a programmed crossbar from calibration samples."""

from __future__ import annotations

import torch
from torch import Tensor

from memrix.crossbar.crossbar import Crossbar

FEWEST_VECTORS = 16  # that a fit must have: one of 3 makes a column worse, one of 10 leaves it as it is


@torch.no_grad()
def column_corrections(crossbar: Crossbar, codes: Tensor, integers: Tensor) -> tuple[Tensor, Tensor]:
    """The gain and offset that bring the readings of every column nearest to the results that were meant.

    By least squares over the vectors, as chips are calibrated after programming. The counts and the read noise of the
    crossbar start anew afterwards.

    Args:
        crossbar: programmed.
        codes: calibration samples ``[groups, vectors, inputs]``.
        integers: the weights that were meant, ``[groups, inputs, outputs]``.

    Returns:
        float32 ``[groups, 1, outputs]`` each; results are to be multiplied by the first, and then the second added.
    """
    meant = torch.bmm(
        codes.float() / crossbar.circuit.dac.largest_code, integers.float()
    )  # [groups, vectors, outputs]
    read = crossbar(codes.unsqueeze(1)).squeeze(1)
    crossbar.reset_counts()
    crossbar.restart(crossbar.read_seed)
    mean, meant_mean = read.mean(1, keepdim=True), meant.mean(1, keepdim=True)
    centerd = read - mean
    variance = centerd.square().sum(1, keepdim=True)
    covariance = (centerd * (meant - meant_mean)).sum(1, keepdim=True)
    # A column that reads the same whatever the vector, but for rounding, has no gain to be found.
    rounding = torch.finfo(read.dtype).eps * read.square().sum(1, keepdim=True)
    gain = torch.where(variance > rounding, covariance / variance, 1.0)
    return gain, meant_mean - gain * mean
