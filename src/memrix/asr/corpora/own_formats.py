"""Corpora of the user's own in formats of the field: manifests of lhotse and NeMo, Kaldi, ``audiofolder``, texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memrix.asr.corpora.division import divided, named_split
from memrix.asr.corpora.kaldi import RECORDINGS, data_directories, read_data_directory
from memrix.asr.corpora.lhotse_manifests import LOOKED_FOR, path_beside, prepare_manifests
from memrix.asr.corpora.listed import METADATA, manifests, metadata_files, read_listed
from memrix.asr.corpora.manifest_lines import STAYS
from memrix.asr.corpora.own_recordings import read_pairs, recordings_of
from memrix.asr.corpora.preparation import Progress, silent
from memrix.asr.corpora.prepared import MANIFEST, PART, SPLITS, PreparedCorpus
from memrix.asr.corpora.recordings import Entry, kept_recording, window
from memrix.asr.corpora.transcripts import is_remark, transcript
from memrix.asr.corpora.writing import Collection, entries
from memrix.asr.outside import read_once
from memrix.errors import DataError
from memrix.toolkit import closest

if TYPE_CHECKING:
    from lhotse import MonoCut


@dataclass(frozen=True)
class Format:
    """How a corpus is given.

    Attributes:
        looked_for: what tells that a source is in this format.
        places: the files or folders of a source that list its utterances; none in another format.
        read: the utterances of one of them; what cannot be used is noted in the collection.
        by_place: whether their names tell the split of their utterances; otherwise folders of the audio do.
    """

    looked_for: str
    places: Callable[[Path], list[Path]]
    read: Callable[[Path, Collection], Iterator[Entry]]
    by_place: bool = True


def prepare_own(
    name: str,
    folder: Path,
    source: Path,
    progress: Progress = silent,
    *,
    found: tuple[str, list[Path]],
    skip_bad: bool = False,
) -> PreparedCorpus:
    """Prepare a corpus in one of the ``FORMATS``; audio stays where it is.

    The arguments are those of ``memrix.asr.corpora.catalog.Preparer``, beside the name of the corpus and what
    ``find_format`` found in its source.
    """
    source = source.resolve()
    chosen, places = found
    if chosen == "lhotse":
        return prepare_manifests(name, folder, source, progress, skip_bad=skip_bad)
    collection, without_words = Collection(name, skip_bad=skip_bad), 0
    listed = [(place, entry) for place in places for entry in FORMATS[chosen].read(place, collection)]
    cuts: dict[str, MonoCut] = {}
    named: dict[str, str | None] = {}
    recording_of = read_once(lambda path: kept_recording(path, path.stem))
    for done, (place, entry) in enumerate(listed, start=1):
        progress(done, len(listed))
        if is_remark(entry.text):
            without_words += 1
            continue
        with collection.noting(entry.id):
            path = path_beside(place if place.is_dir() else place.parent, entry.audio)
            words = transcript(entry.text)
            cut = window(recording_of(path), entry.id, words, entry.speaker, entry.start, entry.end)
            if cuts.setdefault(entry.id, cut) is not cut:
                raise DataError(f"another utterance has this id, and {place} has it as well")
            if FORMATS[chosen].by_place:
                where = place.relative_to(source)
                cut.custom = {PART: where.stem} if named_split(where) else None
            else:
                where = path.parent.relative_to(source) if path.is_relative_to(source) else Path()
            named[entry.id] = named_split(where)
    splits, told = divided({id: cut.supervisions[0].speaker for id, cut in cuts.items()}, named)
    for id, cut in cuts.items():
        collection.add(splits[id], cut)
    description = {"source": str(source), "license": "that of its source", STAYS: True, "format": chosen}
    left_out = {"without words": without_words} if without_words else {}
    return collection.written(folder, {**description, "splits": told, "left_out": left_out})


def find_format(source: Path, format: str | None = None) -> tuple[str, list[Path]]:
    """The format of a source, and the files or folders of it that list its utterances.

    Raises:
        DataError: no such format, or a source that is in none, in another one, or in several.
    """
    source = source.resolve()
    if format is not None and format not in FORMATS:
        raise DataError(f"there is no format {format!r}{closest(format, FORMATS)}; known are {', '.join(FORMATS)}")
    asked = {name: each for name, each in FORMATS.items() if format in (None, name)}
    found = {name: places for name, each in asked.items() if (places := each.places(source))}
    if len(found) > 1:
        found.pop("folder", None)
    if len(found) > 1:
        raise DataError(f"{source} is in more than one format: {', '.join(found)}; say which one with --format")
    if not found:
        looked_for = "; ".join(f"{each.looked_for} ({name})" for name, each in asked.items())
        raise DataError(f"looked for {looked_for}, and found none: {entries(source)}")
    return next(iter(found.items()))


def _with_cuts(source: Path) -> list[Path]:
    return [path for split in SPLITS if (path := source / MANIFEST.format(split)).is_file()]


FORMATS = {
    "lhotse": Format(f"cuts of lhotse {LOOKED_FOR}", _with_cuts, lambda place, collection: iter(())),
    "kaldi": Format(f"data directories of Kaldi, {RECORDINGS} and text", data_directories, read_data_directory),
    "audiofolder": Format(
        f"the {' or '.join(METADATA)} of an audiofolder of Hugging Face", metadata_files, read_listed, by_place=False
    ),
    "nemo": Format("manifests of NeMo, .json or .jsonl with audio_filepath and text", manifests, read_listed),
    "folder": Format(
        "audio files with a .txt of the same name",
        lambda source: [source] if recordings_of(source) else [],
        read_pairs,
        by_place=False,
    ),
}
"""Known formats. A folder of recordings is the last choice, since the others hold recordings too."""
