"""Utterances that a file lists: manifests of NeMo, and the ``metadata`` of Hugging Face's ``audiofolder``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, Field, FiniteFloat, ValidationError

from memrix.asr.corpora.recordings import Entry
from memrix.asr.corpora.writing import Collection
from memrix.asr.outside import PlainText, explained, plain_text, unpacked_lines
from memrix.errors import DataError
from memrix.toolkit import parse_json, shown

METADATA = ("metadata.csv", "metadata.jsonl")

_AUDIO = ("audio_filepath", "file_name", "audio")
_TEXT = ("text", "transcription", "transcript", "sentence")
_OF_PARTS = ("id", "offset", "duration")


class _Line(BaseModel, strict=True, extra="ignore"):
    """What is read of an utterance; anything else that is noted of it is passed over."""

    id: PlainText | None = None
    audio: Annotated[PlainText, Field(validation_alias=AliasChoices(*_AUDIO))]
    text: Annotated[PlainText, Field(validation_alias=AliasChoices(*_TEXT))]
    offset: Annotated[FiniteFloat, Field(ge=0)] | None = None
    duration: Annotated[FiniteFloat, Field(gt=0)] | None = None
    speaker: PlainText | int | None = Field(None, validation_alias=AliasChoices("speaker", "speaker_id", "client_id"))


def manifests(source: Path) -> list[Path]:
    """The source, or the files of it, whose first line is an utterance of NeMo's or memrix's manifests."""
    files = source.glob("*.json*") if source.is_dir() else [source]
    return sorted(path for path in files if path.suffix in (".json", ".jsonl") and _is_manifest(path))


def _is_manifest(path: Path) -> bool:
    try:
        with unpacked_lines(path, "") as lines:
            line = parse_json(next(lines, ""))
    except (DataError, ValueError):
        return False
    return isinstance(line, dict) and not line.keys().isdisjoint(("audio_filepath", "audio"))


def metadata_files(source: Path) -> list[Path]:
    """The ``metadata.csv`` and ``metadata.jsonl`` of a folder, at any depth."""
    return sorted(path for name in METADATA for path in source.rglob(name))


def read_listed(path: Path, collection: Collection) -> Iterator[Entry]:
    """The utterances of a file; lines that cannot be used are noted.

    Without an ``id`` they are named after their audio, and after ``offset`` where they have one.
    """
    rows: list[tuple[int, Any]] = []
    with collection.noting(str(path)):
        text = plain_text(path)
        rows = _table(text) if path.suffix == ".csv" else list(enumerate(text.split("\n"), start=1))
    for number, row in rows:
        with collection.noting(f"{path}, line {number}"):
            if row:
                yield _entry(row, whole=path.name in METADATA)


def _table(text: str) -> list[tuple[int, Any]]:
    """The rows of a CSV file with their lines, once its columns are known to be enough."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    with explained(DataError, "no table of comma-separated values", caught=csv.Error):
        rows = [(reader.line_num, row) for row in reader]
    for names in (_AUDIO, _TEXT):
        if set(names).isdisjoint(reader.fieldnames or ()):
            raise DataError(
                f"no column {' or '.join(names)}; its columns are {', '.join(reader.fieldnames or ()) or 'none'}"
            )
    return rows


def _entry(row: str | dict[str, Any], *, whole: bool) -> Entry:
    """What a line says; times and ids are taken unless its utterances are ``whole`` files."""
    if isinstance(row, str):
        with explained(DataError, "not JSON", caught=ValueError):
            row = parse_json(row)
    if not isinstance(row, dict):
        raise DataError(f'expected a table such as {{"audio_filepath": "a.wav", "text": "hello"}}, got {shown(row)}')
    if None in row:  # where csv puts what is left
        raise DataError("it has more cells than there are columns; put a text with commas in quotes")
    with explained(DataError, "it cannot be used", caught=ValidationError):
        line = _Line.model_validate({name: row[name] for name in row.keys() - (_OF_PARTS if whole else ())})
    start = line.offset or 0.0
    name = Path(line.audio).with_suffix("").as_posix() + ("" if line.offset is None else f"@{start:g}")
    end = None if line.duration is None else start + line.duration
    speaker = None if line.speaker in (None, "") else str(line.speaker)
    return Entry(line.id or name, line.audio, line.text, start, end, speaker)
