"""Noise of a reading: its variance over the codes of a DAC, and how its numbers are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memrix._support.streams import normal_block_at
from memrix.device import CellCurrent
from memrix.device.current import Noise
from memrix.device.parameters import Array


@dataclass(frozen=True)
class ReadNoise:
    """Thermal and shot noise of the cells of a column, one normal number for each conversion.

    A sum of independent normal numbers is a normal number whose variance is the sum, so the noise of all cells of a
    column is drawn at once: exact while every cell conducts along its voltage.

    Attributes:
        kind: ``physical``, ``off``, or ``legacy``: see ``memrix.crossbar.legacy_noise``.
        temperature: K.
        bandwidth: of a reading, in Hz.
        telegraph: standard deviation of the current of each cell by fast telegraph noise, as a share of the current
            of a nominal ON cell.
    """

    kind: Noise
    temperature: float
    bandwidth: float
    telegraph: float = 0.0

    def variance(self, current: CellCurrent, voltages: Array) -> tuple[Array, Array]:
        """Offset and slope, over ``r+ + r-``, of the variance in A² of one reading of a pair at each voltage in V."""
        offset, slope = current.noise_variance(voltages, self.kind, self.temperature, self.bandwidth)
        return 2 * offset, slope


def read_normals(key: Tensor, first: Tensor, readings: int, arrays: int, columns: int) -> Tensor:
    """Standard normal numbers of readings, float32 ``[arrays, readings, columns]``.

    Conversion ``c = array * columns + column`` of reading ``n`` is word ``c % 8`` of Philox at index ``c // 8``,
    draw ``n``, whatever is read together (``memrix._support.streams``).

    Args:
        key: of the stream, an int64 scalar.
        first: number of the first reading, an int64 scalar.
        readings: how many.
        arrays: arrays that a reading converts.
        columns: of each.
    """
    numbers = first + torch.arange(readings, dtype=torch.int64, device=key.device)
    normals = normal_block_at(key, numbers, arrays * columns)
    return normals.view(readings, arrays, columns).transpose(0, 1)
