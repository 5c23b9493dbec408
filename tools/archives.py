"""What is in a distribution, and how large it may be."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 10**6
WEIGHTS = ".safetensors"
LARGEST_WEIGHTS = {"memrix": 8 * MEGABYTE}
"""Bytes of all weights in the wheel of a distribution; a recognizer that is larger is a distribution of its own."""
LARGEST_WHEEL = {"memrix": 10 * MEGABYTE}
"""Bytes of the wheel of a distribution."""
LARGEST_OTHER = 32 * MEGABYTE
"""Bytes of the wheel of a recognizer, and of its weights."""

_OUTSIDE = ("tests/", "benchmarks/", "docs/", "examples/", "tools/", "recognizers/")
_OF_SOURCES = ("LICENSE", "pyproject.toml", "PKG-INFO")
_OF_PROJECT = ("README.md", "CHANGELOG.md", "CITATION.cff", "constraints.txt", "tests/conftest.py", "docs/guide.md")


@dataclass(frozen=True)
class Contents:
    """Files of a wheel.

    Attributes:
        path: of the wheel.
        sizes: bytes of each file, unpacked.
    """

    path: Path
    sizes: dict[str, int]

    @classmethod
    def of(cls, path: Path) -> Contents:
        """Read the list of files of a wheel."""
        with zipfile.ZipFile(path) as wheel:
            return cls(path, {each.filename: each.file_size for each in wheel.infolist() if not each.is_dir()})

    @property
    def distribution(self) -> str:
        """Its name, as in file names."""
        return self.path.name.partition("-")[0]

    @property
    def bytes(self) -> int:
        """Size of the wheel."""
        return self.path.stat().st_size

    @property
    def weights(self) -> int:
        """Bytes of weights."""
        return sum(size for name, size in self.sizes.items() if name.endswith(WEIGHTS))

    def describe(self) -> str:
        """Its size, in a line."""
        packed, unpacked, weights = (
            _megabytes(size) for size in (self.bytes, sum(self.sizes.values()), self.weights)
        )
        return f"{self.path.name}: {packed} in {len(self.sizes)} files, {unpacked} unpacked, weights {weights}"

    def problems(self) -> list[str]:
        """What is too large, what is missing, and what has no place in it."""
        found = []
        for what, size, bound in (
            ("the wheel has", self.bytes, LARGEST_WHEEL.get(self.distribution, LARGEST_OTHER)),
            ("its weights have", self.weights, LARGEST_WEIGHTS.get(self.distribution, LARGEST_OTHER)),
        ):
            if size > bound:
                found.append(f"{self.path.name}: {what} {_megabytes(size)}, and may have {_megabytes(bound)}")
        for name in self.sizes:
            if name.startswith(_OUTSIDE) or "__pycache__" in name:
                found.append(f"{self.path.name}: {name} has no place in a wheel")
        if not any(name.endswith("licenses/LICENSE") for name in self.sizes):
            found.append(f"{self.path.name}: there is no LICENSE")
        return found


def missing_files(wheel: Contents, package: Path) -> list[str]:
    """Files of the folder of a package that its wheel does not have: modules, and data that nobody declared."""
    held = set(wheel.sizes)
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    names = sorted(path.relative_to(package.parent).as_posix() for path in files)
    return [f"{wheel.path.name}: {name} is missing" for name in names if name not in held]


def missing_sources(archive: Path) -> list[str]:
    """What a source distribution lacks: a distributor builds, tests and documents the package from it alone."""
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    wanted: Iterable[str] = _OF_SOURCES + (_OF_PROJECT if archive.name.partition("-")[0] == "memrix" else ())
    return [f"{archive.name}: {name} is missing" for name in wanted if name not in names]


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.2f} MB"
