"""Random streams: the chip, its programming and its reading draw apart, and never from a global generator."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import Any

import torch

from memrix.errors import HardwareError


@dataclass(frozen=True)
class Seeds:
    """Seeds of the three streams of a chip.

    Attributes:
        chip: device-to-device draw: the same value is the same physical chip.
        programming: cycle-to-cycle draw: another value programs the same chip once more.
        read: read noise: the same value repeats the same readings.
    """

    chip: int = 0
    programming: int = 0
    read: int = 0

    def __post_init__(self) -> None:
        for name in ("chip", "programming", "read"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise HardwareError(f"the seed of {name!r} must be an integer from 0, got {value!r}")

    @classmethod
    def of(cls, seed: int | Seeds) -> Seeds:
        """One integer for all three streams (they stay independent), or the three as given."""
        return seed if isinstance(seed, Seeds) else cls(seed, seed, seed)


def derive(seed: int, *path: str) -> int:
    """A seed of 63 bits for one use of ``seed``, independent of every other path."""
    digest = hashlib.sha256("\0".join((str(seed), *path)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class RandomStream:
    """A generator that follows its layer to any device, and is copied and restarted with it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._generator: torch.Generator | None = None

    def on(self, device: torch.device) -> torch.Generator:
        """The generator of the stream on ``device``; moving to another device starts the stream anew."""
        if self._generator is None or self._generator.device != device:
            self._generator = torch.Generator(device).manual_seed(self.seed)
        return self._generator

    def restart(self, seed: int) -> None:
        """Start over from ``seed``."""
        self.seed = seed
        self._generator = None

    def __deepcopy__(self, memo: dict[int, Any]) -> RandomStream:
        twin = copy.copy(self)
        if self._generator is not None:
            twin._generator = torch.Generator(self._generator.device)
            twin._generator.set_state(self._generator.get_state())
        return twin

    def __getstate__(self) -> dict[str, Any]:
        # A pickled chip starts its reading anew: generators are bound to a device that may not be there.
        return {"seed": self.seed, "_generator": None}
