"""Seeds of a chip, seeds derived from them, and normal numbers from a generator of torch, for training.

What a chip draws comes from ``streams``: cells in ``memrix.device.draws``, read noise in ``memrix.crossbar.noise``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from memrix._support.threads import side_by_side
from memrix._support.validation import is_integer, plain_settings, shown
from memrix.errors import SettingsError

# Part of what a seed means: a large tensor is drawn in this many pieces.
_PIECES = 8
_WORTH_A_THREAD = 1 << 15
_LARGEST_SEED = (1 << 63) - 1  # what torch's generators and tensors hold


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
