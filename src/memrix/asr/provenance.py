"""What results depend on beside their settings: versions of libraries, and the code itself."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import memrix
from memrix import Hardware

_LIBRARIES = ("memrix", "torch", "transformers", "synaptogen")
_WITHOUT_RESULTS = ("cli", "studies")  # packages that no result depends on


def versions() -> dict[str, str]:
    """Versions of Python, memrix, and the libraries that results depend on."""
    return {**{name: version(name) for name in _LIBRARIES}, "python": platform.python_version()}


def chip_description(hardware: Hardware | None) -> list[Any] | None:
    """What results depend on of a chip's hardware, the content of its device file included; None for none."""
    return None if hardware is None else [hardware.to_dict(), repr(dataclasses.asdict(hardware.parameters))]


@cache
def code_fingerprint() -> str:
    """SHA-256 over the code behind results: what other code has kept must not answer for this one."""
    root = Path(memrix.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        if place.parts[0] not in _WITHOUT_RESULTS:
            digest.update(place.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
