"""Results on disk as they finish, so that what was interrupted goes on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from pydantic import TypeAdapter

from memrix.asr.kept import parse_kept, validated, with_hash
from memrix.errors import DataError


class Batch(Protocol):
    """A frozen dataclass for what was made of one batch, whose number it has."""

    @property
    def index(self) -> int:
        """The number."""


T = TypeVar("T", bound=Batch)


class Journal(Generic[T]):
    """Finished batches, one JSON line each, appended as they finish.

    A line that a killed process left half-written at the end of the file is dropped. Batches that two processes
    finish at the same time count once.

    Args:
        path: the file; None keeps nothing on disk.
        kind: class of the batches.
        fresh: forget what the file holds.

    Attributes:
        batches: by their number.
    """

    def __init__(self, path: Path | None, kind: type[T], *, fresh: bool = False) -> None:
        self.path = path
        self.batches: dict[int, T] = {}
        if path is not None and fresh:
            path.unlink(missing_ok=True)
        adapter = TypeAdapter(kind)
        for number, line in enumerate(_complete_lines(path), start=1):
            try:
                table, is_whole = parse_kept(line)
                if not is_whole:
                    raise ValueError("it has no SHA-256")
                batch = validated(adapter, table)
                self.batches.setdefault(batch.index, batch)
            except ValueError as error:
                raise DataError(
                    f"line {number} of the journal {path} is not a finished batch ({error}); delete that file, "
                    "or start afresh (`--fresh`, or fresh=True)"
                ) from error

    def append(self, batch: T) -> None:
        """Add a finished batch; it outlives the process from here on."""
        if self.path is not None:
            line = json.dumps(with_hash(asdict(batch)), ensure_ascii=False)  # type: ignore[call-overload]
            # One unbuffered write a line: processes on the same journal do not tear each other's lines.
            with self.path.open("ab", buffering=0) as file:
                file.write(line.encode() + b"\n")
        self.batches.setdefault(batch.index, batch)


def _complete_lines(path: Path | None) -> list[bytes]:
    if path is None or not path.exists():
        return []
    content = path.read_bytes()
    complete = content.rfind(b"\n") + 1
    if complete < len(content):
        with path.open("r+b") as file:
            file.truncate(complete)
    return content[:complete].splitlines()
