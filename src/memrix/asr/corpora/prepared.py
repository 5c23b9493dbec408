"""Prepared corpora: cuts of lhotse for training, development and test in one folder, with statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, FiniteFloat

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.corpora.manifest_lines import STAYS, audio_path, parsed_cut
from memrix.asr.corpora.recordings import read_sphere_by_libsndfile
from memrix.asr.corpus import listing
from memrix.asr.files import cache_dir
from memrix.asr.former import CORPUS, in_present_names
from memrix.asr.kept import Count
from memrix.asr.outside import PlainText, Schema, about, read_each, reason_of, unpacked_lines, user_path
from memrix.errors import DataError
from memrix.toolkit import closest, parse_json

if TYPE_CHECKING:
    from lhotse import CutSet, MonoCut

SPLITS = ("train", "dev", "test")
DESCRIPTION = "corpus.json"
MANIFEST = "{}.jsonl.gz"
PART = "part"
_SHOWN = 20
"""Problems of a manifest that an error lists."""


class SplitFigures(Schema):
    """Figures of a split, or of a part of one."""

    utterances: Count
    hours: Annotated[FiniteFloat, Field(ge=0)]
    words: Count
    vocabulary: Count
    speakers: Count


class CorpusDescription(BaseModel, strict=True, extra="allow"):
    """What memrix reads of a description; everything else is for people.

    Attributes:
        name: of the corpus.
        source, license: where it is from.
        recordings_stay: whether recordings may be outside of its folder.
        dictionary: path of its pronunciations.
        left_out: utterances that were left out, by the reason.
        skipped: what could not be used.
        statistics: figures by split.
    """

    name: Annotated[PlainText, Field(min_length=1)]
    source: PlainText | None = None
    license: PlainText | None = None
    recordings_stay: bool = False
    dictionary: PlainText | None = None
    left_out: dict[PlainText, Count] = Field(default_factory=dict)
    skipped: list[PlainText] = Field(default_factory=list)
    statistics: dict[PlainText, SplitFigures] = Field(default_factory=dict)


@dataclass(frozen=True)
class PreparedCorpus:
    """A folder with ``train.jsonl.gz``, ``dev.jsonl.gz`` and ``test.jsonl.gz``, or those of them that the corpus has.

    Every cut is one utterance: audio at 16 kHz, one channel, one transcript.

    Attributes:
        name: of the corpus.
        folder: where it is; it may be moved.
        description: source, license, how it was prepared, statistics.
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
            DataError: there is no such split, or part of it; or lines of its manifest cannot be used, all listed.
        """
        from lhotse import CutSet

        path = self.folder / MANIFEST.format(split)
        if not path.is_file():
            there = self.splits
            raise DataError(
                f"{self.folder} has no split {split!r}{closest(split, there)}; it has {', '.join(there) or 'none'}"
            )
        read_sphere_by_libsndfile()
        cuts = self._read(path)
        if part is None:
            return CutSet.from_cuts(cuts)
        chosen = [cut for cut in cuts if part_of(cut) == part]
        if not chosen:
            parts = sorted({found for cut in cuts if (found := part_of(cut)) is not None})
            raise DataError(
                f"the split {split} of {self.name} has no part {part!r}{closest(part, parts)}; "
                f"it has {', '.join(parts) or 'none'}"
            )
        return CutSet.from_cuts(chosen)

    def _read(self, manifest: Path) -> list[MonoCut]:
        path_of = cache(partial(audio_path, self.folder, stay=self.description.get(STAYS) is True))
        cuts: dict[str, MonoCut] = {}

        def read(line: str, number: int) -> None:
            cut = _utterance(line, lambda name: str(path_of(name)))
            if cuts.setdefault(cut.id, cut) is not cut:
                raise DataError(f"another utterance has the id {cut.id!r}")

        with unpacked_lines(manifest, "prepare the corpus again") as lines:
            _, problems = read_each(lines, read)
        if problems:
            raise DataError(
                f"{manifest} has lines that cannot be used; prepare the corpus again:{listing(problems, _SHOWN)}"
            )
        if not cuts:
            raise DataError(f"{manifest} holds no utterances; prepare the corpus again")
        return list(cuts.values())


def _utterance(line: str, path_of: Callable[[str], str]) -> MonoCut:
    cut = parsed_cut(line)
    with about(cut.id):
        built = cut.built(path_of)
    if not (cut.supervisions[0].text or "").strip():
        raise DataError(f"{cut.id} has no transcript")
    if built.sampling_rate != SAMPLE_RATE:
        raise DataError(f"{cut.id} has {built.sampling_rate} samples a second, expected {SAMPLE_RATE}")
    return built


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
    folder = user_path(name_or_folder, DataError, "the name of a corpus")
    if not (folder / DESCRIPTION).is_file():
        # A folder that merely has the name of a corpus is no corpus.
        folder = corpora_folder() / name_or_folder
    path = folder / DESCRIPTION
    try:
        description = in_present_names(parse_json(path.read_bytes()), CORPUS)
        name = CorpusDescription.model_validate(description).name
    except FileNotFoundError as error:
        known = sorted(place.parent.name for place in corpora_folder().glob(f"*/{DESCRIPTION}"))
        raise DataError(
            f"there is no prepared corpus {name_or_folder!r}{closest(name_or_folder, known)}; prepared are "
            f"{', '.join(known) or 'none'}; run `memrix corpus prepare {Path(name_or_folder).name}`, or name a "
            "folder that it wrote"
        ) from error
    except (OSError, ValueError) as error:
        fix = f"remove {folder} and prepare the corpus again"
        raise DataError(f"{path} is damaged ({reason_of(error)}); {fix}") from error
    return PreparedCorpus(name, folder, description)
