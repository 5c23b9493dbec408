"""The journal of an evaluation: finished batches on disk, so that an interrupted run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from memrix.asr.cache import cache_dir
from memrix.asr.evaluation.results import BatchRecord, Execution, write_atomically
from memrix.asr.former import present_execution
from memrix.asr.kept import parse_kept, validated, with_hash
from memrix.errors import DataError

_EXECUTION = TypeAdapter(Execution)


class Journal:
    """Finished batches by execution, one JSON line each, appended as they finish.

    A line that a killed process left half-written at the end of the file is dropped. Batches that two
    processes measured at the same time count once.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._batches: dict[Execution, dict[int, BatchRecord]] = {}
        for number, line in enumerate(self._complete_lines(), start=1):
            try:
                data, is_whole = parse_kept(line)
                if not is_whole:
                    raise ValueError("it has no SHA-256")
                self._remember(
                    validated(_EXECUTION, present_execution(data["execution"])), BatchRecord.from_dict(data["batch"])
                )
            except (ValueError, KeyError) as error:
                raise DataError(
                    f"line {number} of the journal {path} is not a finished batch ({error}); delete that file, "
                    "or start afresh (`--fresh`, or fresh=True)"
                ) from error

    @classmethod
    def of_run(cls, description: Mapping[str, Any], *, fresh: bool = False) -> Journal:
        """The journal of the run so described, in the cache folder.

        Args:
            description: everything that the measured figures depend on, as plain data.
            fresh: forget what earlier calls have measured.
        """
        text = json.dumps(description, indent=2, sort_keys=True, ensure_ascii=False)
        folder = cache_dir() / "runs" / hashlib.sha256(text.encode()).hexdigest()
        journal = folder / "journal.jsonl"
        if fresh:
            journal.unlink(missing_ok=True)
        write_atomically(folder / "description.json", text + "\n")
        return cls(journal)

    def batches(self, execution: Execution) -> dict[int, BatchRecord]:
        """Finished batches of an execution by their number."""
        return dict(self._batches.get(execution, {}))

    def append(self, execution: Execution, batch: BatchRecord) -> None:
        """Add a finished batch; it outlives the process from here on."""
        record = with_hash({"execution": asdict(execution), "batch": batch.to_dict()})
        line = json.dumps(record, ensure_ascii=False)
        # One unbuffered write a line: processes on the same journal do not tear each other's lines.
        with self.path.open("ab", buffering=0) as file:
            file.write(line.encode() + b"\n")
        self._remember(execution, batch)

    def _remember(self, execution: Execution, batch: BatchRecord) -> None:
        self._batches.setdefault(execution, {}).setdefault(batch.index, batch)

    def _complete_lines(self) -> list[bytes]:
        if not self.path.exists():
            return []
        content = self.path.read_bytes()
        complete = content.rfind(b"\n") + 1
        if complete < len(content):
            with self.path.open("r+b") as file:
                file.truncate(complete)
        return content[:complete].splitlines()
