"""Kaldi's data directories: ``wav.scp``, ``text``, and where they are there ``segments`` and ``utt2spk``.

The reader of lhotse runs the commands of a ``wav.scp``, drops recordings that it cannot read, and passes over
utterances without segments, so that the files are read here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from memrix.asr.corpora.recordings import Entry
from memrix.asr.corpora.writing import Collection
from memrix.asr.outside import explained, plain_text
from memrix.errors import DataError
from memrix.toolkit import shown

RECORDINGS = "wav.scp"


def data_directories(source: Path) -> list[Path]:
    """The source, or those of its folders, that have a ``wav.scp``."""
    found = [source / RECORDINGS, *sorted(source.glob(f"*/{RECORDINGS}"))]
    return [path.parent for path in found if path.is_file()]


def read_data_directory(folder: Path, collection: Collection) -> Iterator[Entry]:
    """The utterances of ``text``; lines that cannot be used, and utterances without audio, are noted."""
    texts, recordings = (_table(folder / name, collection) for name in ("text", RECORDINGS))
    speakers, segments = (
        _table(folder / name, collection) if (folder / name).is_file() else {} for name in ("utt2spk", "segments")
    )
    for name in sorted((segments or recordings).keys() - texts.keys()):
        collection.refuse(f"{folder}, {name}", "it has no line in text")
    for name, text in texts.items():
        with collection.noting(f"{folder}, {name}"):
            recording, start, end = _segment(segments[name]) if name in segments else (name, 0.0, None)
            if recording not in recordings or (segments and name not in segments):
                raise DataError(f"it has no line in {'segments' if recording in recordings else RECORDINGS}")
            yield Entry(name, recordings[recording], text, start, end, speakers.get(name))


def _table(path: Path, collection: Collection) -> dict[str, str]:
    """The rest of each line by its first word."""
    table: dict[str, str] = {}
    lines: list[str] = []
    with collection.noting(str(path)):
        lines = plain_text(path).split("\n")
    for number, line in enumerate(filter(str.strip, lines), start=1):
        name, *rest = line.split(maxsplit=1)
        if name in table:
            collection.refuse(f"{path}, line {number}", f"another line is about {name}")
        table.setdefault(name, rest[0].strip() if rest else "")
    return table


def _segment(line: str) -> tuple[str, float, float | None]:
    """Recording, start and end; an end of -1 is that of the recording."""
    what = f"its line in segments must give recording, start and end in s, got {shown(line)}"
    with explained(DataError, what, caught=ValueError):
        recording, start, end = line.split()
        return recording, float(start), None if float(end) == -1 else float(end)
