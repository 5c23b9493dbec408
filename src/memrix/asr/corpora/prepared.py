"""Prepared corpora: cuts of lhotse for training, development and test in one folder, with statistics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memrix.asr.cache import cache_dir
from memrix.asr.corpora.sphere import SPHERE, read_sphere_by_libsndfile
from memrix.errors import DataError
from memrix.records import closest

if TYPE_CHECKING:
    from lhotse import CutSet, MonoCut

SPLITS = ("train", "dev", "test")
DESCRIPTION = "corpus.json"
MANIFEST = "{}.jsonl.gz"
PART = "part"


@dataclass(frozen=True)
class PreparedCorpus:
    """A folder with ``train.jsonl.gz``, ``dev.jsonl.gz`` and ``test.jsonl.gz``, or those of them that the corpus has.

    Every cut is one utterance: audio at 16 kHz, one channel, one transcript.

    Attributes:
        name: of the corpus.
        folder: where it is; it may be moved.
        description: source, licence, how it was prepared, statistics.
    """

    name: str
    folder: Path
    description: Mapping[str, Any]

    @property
    def splits(self) -> tuple[str, ...]:
        """Those of train, dev and test that are there."""
        return tuple(split for split in SPLITS if (self.folder / MANIFEST.format(split)).is_file())

    def cuts(self, split: str, part: str | None = None) -> CutSet:
        """The utterances of a split, or of a part of it, such as ``test-other`` of LibriSpeech.

        Raises:
            DataError: there is no such split, or part of it.
        """
        from lhotse import CutSet

        path = self.folder / MANIFEST.format(split)
        if not path.is_file():
            there = self.splits
            raise DataError(
                f"{self.folder} has no split {split!r}{closest(split, there)}; it has {', '.join(there) or 'none'}"
            )
        if self.description.get("audio") == SPHERE:
            read_sphere_by_libsndfile()
        cuts = CutSet.from_file(path).with_recording_path_prefix(self.folder)
        if part is None:
            return cuts
        chosen = [cut for cut in cuts if part_of(cut) == part]
        if not chosen:
            parts = sorted({found for cut in cuts if (found := part_of(cut)) is not None})
            raise DataError(
                f"the split {split} of {self.name} has no part {part!r}{closest(part, parts)}; "
                f"it has {', '.join(parts) or 'none'}"
            )
        return CutSet.from_cuts(chosen)


def part_of(cut: MonoCut) -> str | None:
    """The part of its split that an utterance is of, where a corpus has parts: ``custom`` of the cut says it."""
    part = (cut.custom or {}).get(PART)
    return None if part is None else str(part)


def corpora_folder() -> Path:
    """Where corpora are prepared unless another folder is named."""
    return cache_dir() / "corpora"


def open_corpus(name_or_folder: str) -> PreparedCorpus:
    """A corpus that was prepared, by its name or folder.

    Raises:
        DataError: it was not prepared, or not to the end.
    """
    folder = Path(name_or_folder).expanduser()
    if not (folder / DESCRIPTION).is_file():
        # A folder that merely has the name of a corpus is no corpus.
        folder = corpora_folder() / name_or_folder
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        name = str(description["name"])
    except FileNotFoundError as error:
        known = sorted(place.parent.name for place in corpora_folder().glob(f"*/{DESCRIPTION}"))
        raise DataError(
            f"there is no prepared corpus {name_or_folder!r}{closest(name_or_folder, known)}; prepared are "
            f"{', '.join(known) or 'none'}; run `memrix corpus prepare {Path(name_or_folder).name}`, or name a "
            "folder that it wrote"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); remove {folder} and prepare the corpus again") from error
    return PreparedCorpus(name, folder, description)
