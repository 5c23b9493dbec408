"""The journal of an execution: finished batches on disk, so that an interrupted evaluation goes on."""

from __future__ import annotations

import json
from pathlib import Path

from memrix.asr.evaluation.records import BatchRecord
from memrix.asr.kept import parse_kept, with_hash
from memrix.errors import DataError


class Journal:
    """Finished batches, one JSON line each, appended as they finish.

    A line that a killed process left half-written at the end of the file is dropped. Batches that two
    processes measured at the same time count once.

    Attributes:
        path: the file.
        batches: by their number.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.batches: dict[int, BatchRecord] = {}
        for number, line in enumerate(self._complete_lines(), start=1):
            try:
                data, is_whole = parse_kept(line)
                if not is_whole:
                    raise ValueError("it has no SHA-256")
                self._remember(BatchRecord.from_dict(data))
            except ValueError as error:
                raise DataError(
                    f"line {number} of the journal {path} is not a finished batch ({error}); delete that file, "
                    "or start afresh (`--fresh`, or fresh=True)"
                ) from error

    def append(self, batch: BatchRecord) -> None:
        """Add a finished batch; it outlives the process from here on."""
        line = json.dumps(with_hash(batch.to_dict()), ensure_ascii=False)
        # One unbuffered write a line: processes on the same journal do not tear each other's lines.
        with self.path.open("ab", buffering=0) as file:
            file.write(line.encode() + b"\n")
        self._remember(batch)

    def _remember(self, batch: BatchRecord) -> None:
        self.batches.setdefault(batch.index, batch)

    def _complete_lines(self) -> list[bytes]:
        if not self.path.exists():
            return []
        content = self.path.read_bytes()
        complete = content.rfind(b"\n") + 1
        if complete < len(content):
            with self.path.open("r+b") as file:
                file.truncate(complete)
        return content[:complete].splitlines()
