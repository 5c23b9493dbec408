"""Seeds of a chip, seeds derived from them, and normal numbers from a generator of torch, for training.

What a chip draws comes from ``streams``: cells in ``memrix.device.draws``, read noise in ``memrix.crossbar.noise``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memrix._support.streams import Stream
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
    return Stream.of(seed, *path).key >> 1


def fill_normal_(values: Tensor, generator: torch.Generator) -> None:
    """Fill a contiguous tensor of any shape with standard normal numbers.

    torch draws random numbers on one thread. Large tensors are filled in pieces side by side, each from its own seed:
    any number of threads gives the same numbers.
    """
    flat = values.view(-1)
    split = flat.numel() // _PIECES * _PIECES
    if split >= _PIECES * _WORTH_A_THREAD:
        seeds = torch.randint(1 << 62, (_PIECES,), generator=generator, device=generator.device).tolist()
        side_by_side(_fill_piece, flat[:split].view(_PIECES, -1), seeds, device=flat.device)
        flat = flat[split:]
    flat.normal_(generator=generator)


def _fill_piece(piece: Tensor, seed: int) -> None:
    piece.normal_(generator=torch.Generator(piece.device).manual_seed(seed))
