"""What cells draw: which words of which streams become their devices, their cycles and the noise of their readings.

Every draw is a function of a seed, a use, the number of the cell and the number of the draw, and of nothing else:

========  ==========================================  =========================  =====================================
stream    seed                                        index and draw             words of 16 bits
========  ==========================================  =========================  =====================================
devices   chip                                        cell, 0                    0: component of the mixture; 1 to 7:
                                                                                 normals 0 to 6 of the device
devices   chip                                        cell, 1                    0: its normal 7
cycles    programming                                 cell, number of the cycle  0 to 3: normals of the cycle
readings  programming (``Cells``: read)               cell, reading // 8         reading % 8: noise of the reading
========  ==========================================  =========================  =====================================

The normals of a device are taken in the order of ``variability.DEVICE_ORDER``: an OFF cell needs the first ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from memrix._support import compilation
from memrix._support.random import Seeds
from memrix._support.streams import WORDS, Stream, normal_table

CYCLE_NORMALS = 4
TWO_WORDS = 1 << 32
"""Values of two words: what a share of them is counted in."""


@dataclass(frozen=True)
class CellStreams:
    """What an array of cells draws from.

    Attributes:
        devices: stream of the device-to-device draw.
        cycles: stream of the cycle-to-cycle draw.
        readings: stream of the noise of readings.
        first: number of the first cell; the others follow.
        chosen: int64 ``[cells]``, how far cells are from the first; None: they are consecutive.
    """

    devices: Stream
    cycles: Stream
    readings: Stream
    first: int = 0
    chosen: Tensor | None = field(default=None, compare=False)

    @classmethod
    def of_layer(cls, chip: Stream, programming: Stream, first: int = 0) -> CellStreams:
        """Those of cells of a layer, as protocols are given them."""
        return cls(
            Stream.of(chip.key, "devices"),
            Stream.of(programming.key, "cycles"),
            Stream.of(programming.key, "readings"),
            first,
        )

    @classmethod
    def of_seeds(cls, seeds: Seeds) -> CellStreams:
        """Those of cells that belong to no layer."""
        chip, programming = Stream.of(seeds.chip, "chip"), Stream.of(seeds.programming, "programming")
        own = cls.of_layer(chip, programming)
        return cls(own.devices, own.cycles, Stream.of(seeds.read, "readings"))

    def numbers(self, count: int, device: torch.device) -> Tensor:
        """int64 ``[count]``, of as many cells from the first on, or of the chosen ones."""
        if self.chosen is not None:
            return self.chosen.to(device) + self.first
        return torch.arange(self.first, self.first + count, dtype=torch.int64, device=device)


def numbers_of(cells: Tensor, first: int) -> Tensor:
    """int64 ``[cells]``: numbers of the cells that a tensor of any shape is about, from ``first`` on."""
    return torch.arange(first, first + cells.numel(), device=cells.device)


def joined(low: Tensor, high: Tensor) -> Tensor:
    """Two words as one whole number below ``TWO_WORDS``, int64."""
    return high.bitwise_left_shift(16).bitwise_or(low)


def words(stream: Stream, numbers: Tensor, draw: int | Tensor = 0) -> Tensor:
    """``Stream.words`` of numbers ``[n]``, int64 ``[8, n]``, as fast as they can be had."""
    draw = draw.to(torch.int64) if isinstance(draw, Tensor) else draw
    if numbers.device.type != "cpu" or not compilation.AVAILABLE:
        return stream.words(numbers, draw)
    from memrix._support.philox_kernels import fill_words_at

    drawn = np.empty((WORDS, numbers.numel()), np.uint16)
    draws = draw.expand(numbers.shape) if isinstance(draw, Tensor) else torch.tensor([draw])
    fill_words_at(drawn, numbers.contiguous().numpy(), draws.contiguous().numpy(), *stream.keys)
    return torch.from_numpy(drawn.astype(np.int64))


def normals(stream: Stream, numbers: Tensor, draw: int | Tensor = 0, count: int = WORDS) -> Tensor:
    """Standard normal numbers, float32 ``[count, n]``: one for each of the first words."""
    numbers_drawn: Tensor = normal_table(numbers.device)[words(stream, numbers, draw)[:count]]
    return numbers_drawn


def device_normals(stream: Stream, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """The word of the component, int64 ``[n]``, and the normals of the devices, float32 ``[8, n]``."""
    first, last = words(stream, numbers), words(stream, numbers, 1)[:1]
    return first[0], normal_table(numbers.device)[torch.cat([first[1:], last])]


def cycle_normals(stream: Stream, numbers: Tensor, cycle: int | Tensor) -> Tensor:
    """Normals of a cycle of each cell, float32 ``[4, n]``."""
    return normals(stream, numbers, cycle, CYCLE_NORMALS)


def reading_normals(stream: Stream, numbers: Tensor, reading: Tensor) -> Tensor:
    """The normal of a reading of each cell, float32 ``[n]``; ``reading``: its number, int64 ``[n]``."""
    if numbers.device.type == "cpu" and compilation.AVAILABLE:
        from memrix.device.draw_kernels import fill_normals

        filled = torch.empty(numbers.shape, dtype=torch.float32)
        table = normal_table(numbers.device).numpy()
        fill_normals(filled.numpy(), numbers.contiguous().numpy(), reading.contiguous().numpy(), table, *stream.keys)
        return filled
    drawn = words(stream, numbers, reading // WORDS)
    noise: Tensor = normal_table(numbers.device)[drawn.gather(0, (reading % WORDS)[None])[0]]
    return noise
