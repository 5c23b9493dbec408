"""Seeds of a training: of its first weights, of the order of its data, of every step."""

from __future__ import annotations

import hashlib


def derive(seed: int, *path: str) -> int:
    """A seed of 63 bits for one use of ``seed``, independent of every other path.

    What a training draws follows from its settings for ever: a newer version of a chip's random streams changes the
    noise of a chip, not the data that a network has seen.
    """
    digest = hashlib.sha256("\0".join((str(seed), *path)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
