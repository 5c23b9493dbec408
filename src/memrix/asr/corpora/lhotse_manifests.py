"""Corpora that users have as manifests of lhotse: checked, and read at 16 kHz."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from memrix.asr.audio import SAMPLE_RATE, Shape, check_ends
from memrix.asr.corpora.manifest_lines import STAYS, parsed_cut, require_file_name
from memrix.asr.corpora.preparation import Progress, silent
from memrix.asr.corpora.prepared import MANIFEST, SPLITS, PreparedCorpus
from memrix.asr.corpora.transcripts import transcript
from memrix.asr.corpora.writing import Collection, entries
from memrix.asr.outside import about, explained, read_once, unpacked_lines
from memrix.errors import DataError
from memrix.toolkit import shown

if TYPE_CHECKING:
    from lhotse import MonoCut

LOOKED_FOR = ", ".join(MANIFEST.format(split) for split in SPLITS)

_ROUGH_LENGTH = 0.1
"""Seconds by which headers of lossy codecs may be off."""


def prepare_manifests(
    name: str,
    folder: Path,
    source: Path,
    progress: Progress = silent,
    *,
    skip_bad: bool = False,
) -> PreparedCorpus:
    """Take over ``train.jsonl.gz``, ``dev.jsonl.gz`` and ``test.jsonl.gz``, or those of them that are there.

    Each cut must have one supervision with a text, and a recording of one channel. Transcripts become lower case
    without punctuation, other sampling rates are resampled as audio is read, features are dropped. Audio stays where
    it is; relative paths start at the manifests or at the current folder. Of all that lhotse can load, files alone
    are taken: commands, URLs, pipes, audio in memory, and arrays are refused before anything is opened.

    The arguments are those of ``memrix.asr.corpora.catalog.Preparer``, beside the name of the corpus; ``source``
    is the folder of the manifests.
    """
    there = [split for split in SPLITS if (source / MANIFEST.format(split)).is_file()]
    if not there:
        raise DataError(f"looked for lhotse's cuts {LOOKED_FOR} and found none: {entries(source)}")
    lines = {}
    for split in there:
        with unpacked_lines(source / MANIFEST.format(split), "write the manifest again") as found:
            lines[split] = [line for line in found if line.strip()]
    total = sum(map(len, lines.values()))
    collection = Collection(name, skip_bad=skip_bad)
    shape_of = read_once(check_ends)
    done = 0
    for split in there:
        for number, line in enumerate(lines[split], start=1):
            done += 1
            with collection.noting(f"{MANIFEST.format(split)}, line {number}"):
                collection.add(split, _cut(line, source, shape_of))
            progress(done, total)
    description = {"source": str(source.resolve()), "license": "that of its source", STAYS: True}
    return collection.written(folder, description)


def _cut(line: str, source: Path, shape_of: Callable[[Path], Shape]) -> MonoCut:
    """The cut of a line of a manifest; DataError if it cannot be used."""
    parsed = parsed_cut(line)
    with about(parsed.id):
        said = transcript(parsed.supervisions[0].text or "")
        built = parsed.built(lambda name: str(_checked_path(name, parsed.stated_seconds, source, shape_of)))
    cut = dataclasses.replace(built, supervisions=[dataclasses.replace(built.supervisions[0], text=said)])
    return cut if cut.sampling_rate == SAMPLE_RATE else cut.resample(SAMPLE_RATE)


def _checked_path(name: str, seconds: float | None, source: Path, shape_of: Callable[[Path], Shape]) -> Path:
    """The path of an audio file, which is looked at, and lasts so long; None if it may have any length."""
    path = path_beside(source, name)
    found = shape_of(path)
    if seconds is not None and abs(found.frames / found.rate - seconds) > _ROUGH_LENGTH:
        raise DataError(
            f"{path} lasts {found.frames / found.rate:g} s, and {seconds:g} s in the manifest; copy the file "
            "again, or write the manifest again"
        )
    return path


def path_beside(folder: Path, name: str) -> Path:
    """The path of an audio file that a file of others names: as seen from its folder, or from the current one.

    Raises:
        DataError: a URL, a pipe, or no name that a file can have.
    """
    require_file_name(name)
    with explained(DataError, f"its audio {shown(name)} cannot be looked for"):
        beside = folder / name
        return (beside if beside.is_file() else Path(name)).resolve()
