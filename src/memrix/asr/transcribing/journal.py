"""Windows that are transcribed already, on disk, so that an interrupted transcription goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from memrix.asr.cache import cache_dir
from memrix.asr.content import hash_of
from memrix.asr.kept import Count, Seconds, Text, parse_kept, validated, with_hash
from memrix.asr.transcribing.transcripts import Segment
from memrix.errors import DataError


@dataclass(frozen=True)
class _KeptSegment:
    start: Seconds
    end: Seconds
    text: Text


@dataclass(frozen=True)
class _Batch:
    index: Count
    segments: tuple[_KeptSegment, ...]
    seconds: Seconds


_BATCH = TypeAdapter(_Batch)


class Journal:
    """Finished batches of windows of one recording by one execution: one JSON line each, appended as they finish.

    A line that a killed process left half-written at the end of the file is dropped.

    Attributes:
        path: the file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._batches: dict[int, tuple[list[Segment], float]] = {}
        for number, line in enumerate(_complete_lines(path), start=1):
            try:
                table, is_whole = parse_kept(line)
                if not is_whole:
                    raise ValueError("it has no SHA-256")
                batch = validated(_BATCH, table)
            except ValueError as error:
                raise DataError(
                    f"line {number} of {path}, which keeps what was transcribed, is damaged ({error}); delete that "
                    "file, or start afresh (`--fresh`, or fresh=True)"
                ) from error
            segments = [Segment(each.start, each.end, each.text) for each in batch.segments]
            self._batches.setdefault(batch.index, (segments, batch.seconds))

    @classmethod
    def of(cls, description: Mapping[str, Any], *, fresh: bool = False) -> Journal:
        """The journal of what is so described, in the cache folder.

        Args:
            description: everything that the transcript depends on, as plain data.
            fresh: forget what earlier calls have transcribed.
        """
        path = cache_dir() / "transcriptions" / f"{hash_of(description)}.jsonl"
        path.parent.mkdir(exist_ok=True)
        if fresh:
            path.unlink(missing_ok=True)
        return cls(path)

    def batch(self, index: int) -> tuple[list[Segment], float] | None:
        """Segments of the batch that begins with a window, and the seconds that they took; None if it is not done."""
        return self._batches.get(index)

    def append(self, index: int, segments: Sequence[Segment], seconds: float) -> None:
        """Add a finished batch; it outlives the process from here on."""
        if self.path is None:
            return
        record = {"index": index, "segments": [asdict(segment) for segment in segments], "seconds": seconds}
        line = json.dumps(with_hash(record), ensure_ascii=False)
        # One unbuffered write a line: processes on the same journal do not tear each other's lines.
        with self.path.open("ab", buffering=0) as file:
            file.write(line.encode() + b"\n")


def _complete_lines(path: Path | None) -> list[bytes]:
    if path is None or not path.exists():
        return []
    content = path.read_bytes()
    complete = content.rfind(b"\n") + 1
    if complete < len(content):
        with path.open("r+b") as file:
            file.truncate(complete)
    return content[:complete].splitlines()
