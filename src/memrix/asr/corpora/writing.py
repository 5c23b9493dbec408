"""Collects the utterances of a corpus and all of their problems, and writes it: each file is whole or not there."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from memrix.asr.corpora.prepared import DESCRIPTION, MANIFEST, SPLITS, PreparedCorpus
from memrix.asr.corpora.statistics import split_statistics
from memrix.asr.corpus import listing
from memrix.asr.outside import explained
from memrix.errors import DataError
from memrix.toolkit import listed, whole_file

if TYPE_CHECKING:
    from lhotse import MonoCut


def writing_corpus(folder: Path) -> AbstractContextManager[None]:
    """A block that writes into the folder of a corpus; DataError where it cannot."""
    kept = "free some space and run again: what is done is kept"
    return explained(DataError, f"the folder {folder} cannot be written to", "name another with --output", full=kept)


def write_cuts(path: Path, cuts: Iterable[MonoCut]) -> None:
    """Write a manifest; the same cuts give the same bytes."""
    with whole_file(path) as stream, gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as packed:
        for cut in cuts:
            packed.write(json.dumps(cut.to_dict(), ensure_ascii=False).encode() + b"\n")


def write_corpus(
    name: str, folder: Path, cuts: Mapping[str, Sequence[MonoCut]], description: Mapping[str, Any]
) -> PreparedCorpus:
    """Write manifests, statistics and description of a corpus; a split without cuts gets no manifest.

    Raises:
        DataError: the folder cannot be written to.
    """
    full = {
        "name": name,
        **description,
        "statistics": split_statistics({split: cuts[split] for split in SPLITS if cuts.get(split)}),
    }
    with writing_corpus(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for split in SPLITS:
            path = folder / MANIFEST.format(split)
            if cuts.get(split):
                write_cuts(path, cuts[split])
            else:
                path.unlink(missing_ok=True)
        # Last, as it says that all else is there.
        with whole_file(folder / DESCRIPTION) as stream:
            stream.write(json.dumps(full, indent=2, ensure_ascii=False).encode())
    return PreparedCorpus(name, folder, cast(Mapping[str, Any], full))


class Collection:
    """Cuts by split; problems are collected and reported at once.

    Args:
        name: of the corpus.
        skip_bad: leave out what cannot be used, instead of an error at the end.
    """

    def __init__(self, name: str, *, skip_bad: bool = False) -> None:
        self._name = name
        self._skip_bad = skip_bad
        self._cuts: dict[str, list[MonoCut]] = {split: [] for split in SPLITS}
        self._seen: set[str] = set()
        self.problems: list[str] = []

    def add(self, split: str, cut: MonoCut) -> None:
        """Take a cut with one supervision; one whose id is taken is a problem."""
        if cut.id in self._seen:
            self.refuse(cut.id, "another utterance has this id")
            return
        self._seen.add(cut.id)
        self._cuts[split].append(cut)

    def refuse(self, what: str, why: object) -> None:
        """Note that something cannot be used."""
        self.problems.append(f"{what}: {why}")

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """A block that may find that something cannot be used, which is noted."""
        try:
            yield
        except DataError as error:
            self.refuse(what, error)

    def written(self, folder: Path, description: Mapping[str, Any]) -> PreparedCorpus:
        """Write the corpus; what was left out is in its description.

        Raises:
            DataError: something cannot be used (all is listed) and is not to be skipped; nothing is left; or the
                folder cannot be written to.
        """
        if self.problems and not (self._skip_bad and self._seen):
            fix = "nothing else is left" if self._skip_bad else "fix it, or leave it out with --skip-bad"
            raise DataError(
                f"{len(self.problems)} parts of the corpus {self._name} cannot be used; {fix}:"
                f"{listing(self.problems)}"
            )
        if not self._seen:
            raise DataError(f"the corpus {self._name} has no utterances that can be used; nothing was written")
        if self.problems:
            description = {**description, "skipped": self.problems}
        return write_corpus(self._name, folder, self._cuts, description)


def entries(folder: Path, most: int = 12) -> str:
    """What a folder holds, for messages about what was not found in it."""
    if not folder.is_dir():
        return f"{folder} is a file" if folder.exists() else f"there is no folder {folder}"
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    return f"{folder} holds {listed(names, most) or 'nothing'}"
