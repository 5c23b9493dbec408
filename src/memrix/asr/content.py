"""Hashes of data, independent of the file that holds them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lhotse import CutSet


def content_of(cuts: CutSet) -> str:
    """Hash of utterances: ids, transcripts, and their position and length in the audio; not of the audio itself."""
    return hash_of(
        *(
            (cut.id, cut.supervisions[0].text, cut.start, cut.duration, cut.recording.duration)
            for cut in sorted(cuts, key=lambda cut: str(cut.id))
        )
    )


def hash_of(*parts: object) -> str:
    """SHA-256 of what JSON can hold, hexadecimal."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
