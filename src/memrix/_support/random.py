"""Random streams: the chip, its programming and its reading draw independently, never from a global generator."""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memrix._support.threads import side_by_side
from memrix._support.validation import is_integer, plain_settings, shown
from memrix.errors import SettingsError

Words = npt.NDArray[np.uint16]

# Part of what a seed means: a large tensor is drawn in this many pieces.
_PIECES = 8
_WORTH_A_THREAD = 1 << 15
_AT_A_TIME = 1 << 15  # words: memory that is drawn to and thrown away stays in the cache
_LARGEST_SEED = (1 << 63) - 1  # what torch's generators and tensors hold
_WORTH_NUMPY = 1 << 13  # words that numpy's generator draws; part of what a seed means too


@dataclass(frozen=True)
class Seeds:
    """Seeds of the three streams of a chip.

    Attributes:
        chip: device-to-device variability: the same value is the same physical chip.
        programming: cycle-to-cycle variability: another value programs the same chip again.
        read: read noise: the same value repeats the same readings.
    """

    chip: int = 0
    programming: int = 0
    read: int = 0

    def __post_init__(self) -> None:
        for name in ("chip", "programming", "read"):
            value = getattr(self, name)
            if not is_integer(value) or not 0 <= value <= _LARGEST_SEED:
                raise SettingsError(
                    f"the seed of {name!r} must be an integer from 0, got {shown(value)}; 2**63 - 1 is the largest"
                )
        plain_settings(self)

    @classmethod
    def of(cls, seed: int | Seeds) -> Seeds:
        """One integer for all three streams (they stay independent), or the three as given."""
        return seed if isinstance(seed, Seeds) else cls(seed, seed, seed)


def derive(seed: int, *path: str) -> int:
    """A seed of 63 bits for one use of ``seed``, independent of every other path."""
    digest = hashlib.sha256("\0".join((str(seed), *path)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seeds_from(stream: torch.Generator, count: int) -> list[int]:
    """Seeds of ``count`` pieces of work that are to run in any order, drawn from a stream."""
    seeds = torch.randint(1 << 62, (count,), generator=stream, device=stream.device)
    return [int(seed) for seed in seeds.tolist()]


def fill_normal_rows_(rows: Tensor, seeds: Sequence[int]) -> None:
    """Fill each contiguous row of ``rows`` with standard normal numbers from its own seed.

    torch draws random numbers on one thread, and they are most of the work of a noisy reading: on a CPU rows are
    filled side by side. Any number of threads gives the same numbers.
    """

    def fill_row(row: Tensor, seed: int) -> None:
        row.normal_(generator=torch.Generator(row.device).manual_seed(seed))

    if rows[0].numel() < _WORTH_A_THREAD:
        for row, seed in zip(rows, seeds, strict=True):
            fill_row(row, seed)
    else:
        side_by_side(fill_row, rows, seeds, device=rows.device)


def fill_normal_(values: Tensor, stream: torch.Generator) -> None:
    """Fill a contiguous tensor of any shape with standard normal numbers."""
    flat = values.view(-1)
    split = flat.numel() // _PIECES * _PIECES
    if split < _PIECES * _WORTH_A_THREAD:
        flat.normal_(generator=stream)
        return
    fill_normal_rows_(flat[:split].view(_PIECES, -1), seeds_from(stream, _PIECES))
    flat[split:].normal_(generator=stream)


def fill_noise_(values: Tensor, stream: torch.Generator) -> None:
    """Fill a contiguous tensor of any shape with noise: normal numbers that are cheap on a CPU.

    There, unless torch compiles the call, each is one of 65,536 values, the middles of as many equally likely
    intervals of the normal distribution, selected by 16 random bits. The variance is 1, the distribution function is
    met to 1e-5, no number is beyond 4.33.
    """
    flat = values.view(-1)
    if flat.device.type != "cpu" or torch.compiler.is_compiling():
        flat.normal_(generator=stream)
        return
    words = np.empty(flat.numel(), np.uint16)
    fill_words(words, stream)
    np.take(noise_quantiles(), words, out=flat.numpy(), mode="clip")


@functools.cache
def noise_quantiles() -> npt.NDArray[np.float32]:
    """The normal number that each random word of 16 bits stands for, float32 ``[65536]``: see ``fill_noise_``."""
    signed = np.arange(1 << 16, dtype=np.uint16).view(np.int16)
    normal = torch.erfinv(torch.from_numpy((signed + 0.5) / (1 << 15)))
    return (normal / normal.square().mean().sqrt()).float().numpy()


def random_bits16(count: int, stream: torch.Generator) -> Tensor:
    """``count`` uniform int16 of the whole range: four of them cost as much as one uniform float, or less."""
    if stream.device.type != "cpu":
        return _random_bits64(-(-count // 4), stream).view(torch.int16)[:count]
    words = np.empty(count, np.uint16)
    fill_words(words, stream)
    return torch.from_numpy(words.view(np.int16))


def fill_words(words: Words, stream: torch.Generator) -> None:
    """Fill an array ``[n]`` with uniform random words of 16 bits."""
    drawn = -(-words.size // 4)
    if drawn < _WORTH_NUMPY:
        words[:] = _random_bits64(drawn, stream).numpy().view(np.uint16)[: words.size]
        return
    # numpy draws up to three times as fast as torch, and takes longer to begin.
    generator = np.random.SFC64(seeds_from(stream, 1)[0])
    for start in range(0, words.size, _AT_A_TIME):
        part = words[start : start + _AT_A_TIME]
        part[:] = generator.random_raw(-(-part.size // 4)).view(np.uint16)[: part.size]


def _random_bits64(count: int, stream: torch.Generator) -> Tensor:
    drawn = torch.empty(count, dtype=torch.int64, device=stream.device)
    return drawn.random_(-(1 << 63), None, generator=stream)


class RandomStream:
    """A generator that follows its layer to any device, and is copied and restarted with it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._generator: torch.Generator | None = None

    def on(self, device: torch.device) -> torch.Generator:
        """The generator of the stream on ``device``; moving to another device restarts the stream."""
        if self._generator is None or self._generator.device != device:
            self._generator = torch.Generator(device).manual_seed(self.seed)
        return self._generator

    def restart(self, seed: int) -> None:
        """Start over from ``seed``."""
        self.seed = seed
        self._generator = None

    def __deepcopy__(self, memo: dict[int, Any]) -> RandomStream:
        copied = copy.copy(self)
        if self._generator is not None:
            copied._generator = torch.Generator(self._generator.device)
            copied._generator.set_state(self._generator.get_state())
        return copied

    def __getstate__(self) -> dict[str, Any]:
        # A pickled chip restarts its read noise: generators are bound to a device that may not be there.
        return {"seed": self.seed, "_generator": None}
