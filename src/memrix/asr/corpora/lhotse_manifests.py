"""Corpora that the user has as manifests of lhotse: checked, and heard at 16 kHz."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from memrix.asr.audio import SAMPLE_RATE, Shape, check_ends
from memrix.asr.corpora.collection import Collection, entries
from memrix.asr.corpora.preparation import Progress
from memrix.asr.corpora.prepared import MANIFEST, SPLITS, PreparedCorpus
from memrix.asr.corpora.sphere import SPHERE
from memrix.asr.corpora.transcripts import transcript
from memrix.errors import DataError

if TYPE_CHECKING:
    from lhotse import MonoCut, Recording

LOOKED_FOR = ", ".join(MANIFEST.format(split) for split in SPLITS)

_ROUGH_LENGTH = 0.1
"""Seconds by which headers of lossy codecs may be off."""


def prepare_manifests(
    name: str,
    folder: Path,
    source: Path,
    progress: Progress = lambda done, total: None,
    *,
    skip_bad: bool = False,
) -> PreparedCorpus:
    """Take over ``train.jsonl.gz``, ``dev.jsonl.gz`` and ``test.jsonl.gz``, or those of them that are there.

    Each cut must have one supervision with a text, and a recording of one channel. Transcripts become lower case
    without punctuation, other sampling rates are resampled as audio is read, features are dropped. Audio stays where
    it is; relative paths start at the manifests or at the current folder.

    Args:
        name: of the corpus.
        folder: where to.
        source: the folder of the manifests.
        progress: is told how many cuts of how many are done.
        skip_bad: leave out cuts that cannot be used.

    Raises:
        DataError: no manifests, or cuts that cannot be used; all are listed.
    """
    there = [split for split in SPLITS if (source / MANIFEST.format(split)).is_file()]
    if not there:
        raise DataError(f"looked for lhotse's cuts {LOOKED_FOR} and found none: {entries(source)}")
    lines = {split: _lines(source / MANIFEST.format(split)) for split in there}
    total = sum(map(len, lines.values()))
    collection = Collection(name, skip_bad=skip_bad)
    reader = _Reader(source)
    done = 0
    for split in there:
        for number, line in enumerate(lines[split], start=1):
            done += 1
            where = f"{MANIFEST.format(split)}, line {number}"
            try:
                collection.add(split, reader.cut(line))
            except DataError as error:
                collection.refuse(where, error)
            progress(done, total)
    description = {"source": str(source.resolve()), "licence": "that of its source"}
    return collection.written(folder, {**description, "audio": SPHERE} if reader.sphere else description)


def _lines(path: Path) -> list[str]:
    import gzip

    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            return [line for line in stream if line.strip()]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); write the manifest again") from error


class _Reader:
    """Makes cuts from lines; every audio file is checked once.

    Attributes:
        sphere: whether an audio file is in NIST SPHERE format.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        self._audio: dict[Path, Shape | str] = {}
        self.sphere = False

    def cut(self, line: str) -> MonoCut:
        """The cut of a line of a manifest.

        Raises:
            DataError: it cannot be used.
        """
        from lhotse import MonoCut
        from lhotse.serialization import deserialize_item

        try:
            cut = deserialize_item(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
            raise DataError(f"no cut of lhotse ({type(error).__name__}: {error})") from error
        if not isinstance(cut, MonoCut):
            raise DataError(f"a {type(cut).__name__}, expected a MonoCut: one stretch of one channel")
        if len(cut.supervisions) != 1:
            raise DataError(
                f"{cut.id} has {len(cut.supervisions)} supervisions, expected one; cut it into utterances"
            )
        if cut.recording is None:
            raise DataError(f"{cut.id} has no recording")
        said = dataclasses.replace(cut.supervisions[0], text=self._transcript(cut))
        recording = self._recording(cut)
        cut = dataclasses.replace(cut, supervisions=[said], recording=recording).drop_features()
        return cut if cut.sampling_rate == SAMPLE_RATE else cut.resample(SAMPLE_RATE)

    @staticmethod
    def _transcript(cut: MonoCut) -> str:
        try:
            return transcript(cut.supervisions[0].text or "")
        except DataError as error:
            raise DataError(f"{cut.id}: {error}") from error

    def _recording(self, cut: MonoCut) -> Recording:
        recording = cut.recording
        if recording.num_channels != 1:
            raise DataError(f"{cut.id}: its recording has {recording.num_channels} channels, expected one")
        sources = []
        for source in recording.sources:
            if source.type != "file":
                raise DataError(f"{cut.id}: its audio is a {source.type}, expected a file")
            path = self._found(Path(source.source))
            self._check(path, recording, cut.id)
            sources.append(dataclasses.replace(source, source=str(path)))
        return dataclasses.replace(recording, sources=sources)

    def _found(self, path: Path) -> Path:
        beside = self._source / path
        return (beside if beside.is_file() else path).resolve()

    def _check(self, path: Path, recording: Recording, name: str) -> None:
        if path not in self._audio:
            try:
                self._audio[path] = check_ends(path)
            except DataError as error:
                self._audio[path] = str(error)
            self.sphere = self.sphere or path.suffix.lower() == ".sph"
        found = self._audio[path]
        if isinstance(found, str):
            raise DataError(f"{name}: {found}")
        expected = recording.duration
        # A speed perturbation, say, changes the duration that the manifest states.
        if not recording.transforms and abs(found.frames / found.rate - expected) > _ROUGH_LENGTH:
            raise DataError(
                f"{name}: {path} lasts {found.frames / found.rate:g} s, and {expected:g} s in the manifest; copy the "
                "file again, or write the manifest again"
            )
