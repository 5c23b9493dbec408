"""Paths of recordings as manifests name them: plain files, inside the corpus unless it says otherwise."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from memrix.asr.outside import text_problem
from memrix.errors import DataError
from memrix.toolkit import shown

STAYS = "recordings_stay"
"""In the description of a corpus: its recordings were not copied to its folder."""

_NO_FILE = re.compile(r"^\s*(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://|(?P<pipe>pipe:|\|)|(?P<input>-\s*$))|\|\s*$")


class AudioPaths:
    """Where the recordings of a corpus may be.

    Args:
        folder: of the corpus, at which relative paths start.
        stay: whether recordings may be elsewhere.
    """

    def __init__(self, folder: Path, *, stay: bool) -> None:
        self._folder = folder
        self._stay = stay
        self._known: dict[str, Path] = {}

    def path_of(self, name: str) -> Path:
        """The path of a recording; the file may be missing, which reading it tells.

        Raises:
            DataError: no path of a file, a device or pipe, or outside of the folder.
        """
        if name not in self._known:
            self._known[name] = self._checked(name)
        return self._known[name]

    def _checked(self, name: str) -> Path:
        require_file_name(name)
        path = self._folder / name
        try:
            inside = path.resolve().is_relative_to(self._home)
            special = path.exists() and not path.is_file()
        except (OSError, RuntimeError) as error:  # too long a name, or links in a circle
            raise DataError(f"the path of its audio, {shown(name)}, cannot be followed ({error})") from error
        if not inside and not self._stay:
            raise DataError(
                f"its audio {shown(name)} is outside of the corpus {self._folder}, which does not say that its "
                f'recordings stay where they are; if you trust it, prepare it again, or write "{STAYS}": true into '
                "its corpus.json"
            )
        if special:
            raise DataError(f"its audio {shown(name)} is no file, but a folder, a pipe or a device; give a file")
        return path

    @cached_property
    def _home(self) -> Path:
        return self._folder.resolve()


def require_file_name(name: str) -> None:
    """Make sure that a text names a file, and nothing that a library might run or fetch in its place.

    Raises:
        DataError: a URL, a pipe, the standard input, or characters that no file name has.
    """
    problem = text_problem(name)
    if problem is not None:
        raise DataError(f"the path of its audio, {problem}, which no file name can")
    found = _NO_FILE.search(name)
    if found is None:
        return
    kind = "a URL" if found["scheme"] else "the standard input" if found["input"] else "a pipe"
    raise DataError(f"its audio {shown(name)} is {kind}, expected a file; write the audio into one")
