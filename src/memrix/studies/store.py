"""Trials kept in a folder: each in a file of its own, named by the hash of its inputs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from memrix._support.archive import FileKind, read_archive, write_archive
from memrix._support.documents import file_path, load_tree, parse_json, whole_file
from memrix._support.lazy import installed_version
from memrix.errors import CheckpointError, DataError
from memrix.studies.metric import Measured
from memrix.studies.trials import Outcome, Trial

STUDY = "study.json"
_TRIALS = "trials"
_KIND = FileKind("trial", "a study of memrix", "memrix.sweep(..., folder=...)")
_PARTS = {
    "model": "another model, or the same with other weights",
    "batches": "other batches",
    "calibration": "other calibration batches",
    "metric": "another metric, or another version of it",
    "memrix": "another version of memrix",
}


@dataclass(frozen=True)
class Identity:
    """What all trials of a folder have in common: fingerprints, and the version of memrix.

    Attributes:
        model: class, weights and all else that it holds.
        batches: for the metric.
        calibration: batches of inputs; empty: the inputs are those that the metric gives the model.
        metric: its code, and all that it refers to.
        memrix: version.
        name: of the metric, for messages.
    """

    model: str
    batches: str
    calibration: str
    metric: str
    name: str
    memrix: str = installed_version("memrix")


class Folder:
    """The trials of one model, metric and set of batches.

    A trial is written once it is complete, under another name until then: ending the process at any time loses no
    finished trial and leaves no half of one.

    Args:
        path: of the folder, which is made.
        identity: of the study.

    Raises:
        DataError: the folder cannot be written, or holds something else; the message says what.
    """

    def __init__(self, path: str | Path, identity: Identity) -> None:
        self.path = file_path(path, DataError, "the folder of a study")
        self._identity = identity
        try:
            self._open()
        except OSError as error:
            raise DataError(
                f"the folder {str(path)!r} cannot be written ({error.strerror or error}); name another one"
            ) from error

    def read(self, key: str) -> Outcome | None:
        """A finished trial; None where there is none, or its file is damaged, or it has failed: it is run again."""
        path = self._file(key)
        if not path.is_file():
            return None
        try:
            tensors, about = read_archive(path, _KIND)
            if about["error"]:
                return None
            measured = Measured(tensors["values"], tensors["weights"])
            return Outcome(measured, seconds=float(about["seconds"]), kept=True)
        except (CheckpointError, KeyError, TypeError, ValueError):
            return None

    def write(self, key: str, trial: Trial, outcome: Outcome) -> None:
        """Keep what became of a trial.

        Raises:
            CheckpointError: the folder cannot be written any more.
        """
        measured = outcome.measured or Measured(torch.zeros(0), torch.zeros(0))
        about = {
            "settings": {name: _plain(value) for name, value in trial.settings.items()},
            "chip": trial.chip,
            "seeds": asdict(trial.seeds),
            "metric": self._identity.name,
            "figure": outcome.figure,
            "error": outcome.error,
            "seconds": outcome.seconds,
        }
        write_archive(self._file(key), {"values": measured.values, "weights": measured.weights}, about)

    def _file(self, key: str) -> Path:
        return self.path / _TRIALS / f"{key}.safetensors"

    def _open(self) -> None:
        study = self.path / STUDY
        if self.path.exists() and not self.path.is_dir():
            raise DataError(
                f"{str(self.path)!r} is a file, and a study keeps its trials in a folder; name another one"
            )
        if study.is_file():
            self._require_same(study)
        elif self.path.is_dir() and any(not name.name.startswith(".") for name in self.path.iterdir()):
            raise DataError(f"the folder {str(self.path)!r} holds files of something else; name an empty one")
        self.path.mkdir(parents=True, exist_ok=True)
        if not study.is_file():
            write_text(study, json.dumps(asdict(self._identity), indent=2) + "\n")
        (self.path / _TRIALS).mkdir(exist_ok=True)

    def _require_same(self, study: Path) -> None:
        known: Any = load_tree(study, parse_json, "the study", DataError, "name another folder")
        own = asdict(self._identity)
        known = known if isinstance(known, dict) else {}
        other = [
            f"{text}{_versions(name, known, own)}" for name, text in _PARTS.items() if known.get(name) != own[name]
        ]
        if other:
            raise DataError(
                f"the folder {str(self.path)!r} holds the trials of {' and '.join(other)}; name another folder, or "
                f"delete this one"
            )


def write_text(path: Path, text: str) -> None:
    """Write a file that is whole or is not there."""
    with whole_file(path) as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _versions(part: str, known: dict[str, Any], own: dict[str, Any]) -> str:
    named = {"metric": "name", "memrix": "memrix"}.get(part)
    return "" if named is None or known.get(named) == own[named] else f" ({known.get(named)!r}, not {own[named]!r})"


def _plain(value: object) -> object:
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
