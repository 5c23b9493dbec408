"""Readings of single cells: which one it is of each, its noise, and whether it would have switched the cell."""

from __future__ import annotations

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix.device.draws import reading_normals


def next_readings(
    counts: Tensor, cells: torch.Size, shape: tuple[int, ...], chosen: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The cells that a reading is of, int64, and the number of the reading of each, as many as there are.

    Args:
        counts: int64 ``[n]``, readings of every cell so far; counted on.
        cells: shape of the array.
        shape: of the reading, which the shape of the array broadcasts to: several at one cell follow each other.
        chosen: positions of the cells that are read, instead of all of them.
    """
    if chosen is not None:
        reading = counts.index_select(0, chosen)
        counts.index_copy_(0, chosen, reading + 1)
        return chosen, reading
    everyone = torch.arange(counts.numel(), device=counts.device).view(cells)
    own = (1,) * (len(shape) - len(cells)) + tuple(cells)
    repeated = [size if size != there else 1 for size, there in zip(shape, own, strict=True)]
    times = torch.arange(torch.Size(repeated).numel(), device=counts.device).view(repeated)
    reading = counts.view(cells) + times
    counts += times.numel()
    return everyone.expand(shape), reading


def noise_of(r: Tensor, variance: tuple[Tensor, Tensor], stream: Stream, numbers: Tensor, reading: Tensor) -> Tensor:
    """Noise in A of readings of cells in states ``r``.

    Args:
        r: any shape.
        variance: offset and slope over the state (``CellCurrent.noise_variance``).
        stream: of the noise.
        numbers: of the cells, of the same shape.
        reading: which of theirs.
    """
    drawn = reading_normals(stream, numbers.reshape(-1), reading.reshape(-1)).view(r.shape)
    offset, slope = variance
    # Product and sum apart, as in a ramp.
    return drawn.mul_((r * slope).add_(offset).clamp_(min=0).sqrt_())


def beyond(sets: Tensor, resets: Tensor, voltages: Tensor) -> Tensor:
    """Whether voltages lie beyond a threshold; none at all disturbs nothing."""
    return ((sets >= voltages) | (resets < voltages)) & (voltages != 0)
