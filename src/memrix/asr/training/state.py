"""The state of a training on disk: written whole, read without executing anything."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from memrix.asr.files import disk_is_full, whole_file
from memrix.errors import CheckpointError

FORMAT = 1


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state, which is whole: a killed process leaves the one before as it was.

    Raises:
        CheckpointError: the place cannot be written, the disk is full among other reasons.
    """
    try:
        with whole_file(path) as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        full = isinstance(error, OSError) and disk_is_full(error)
        mend = "free some space and run the same command again" if full else "name another folder"
        raise CheckpointError(f"the state of the training cannot be written to {path} ({error}); {mend}") from error


def read_state(path: Path) -> dict[str, Any]:
    """The state that ``write_state`` wrote, on the CPU.

    Raises:
        CheckpointError: the file is damaged, or of a newer version.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        version = state["format"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"the state of the training in {path} is damaged ({type(error).__name__}: {str(error)[:80]}); "
            "remove it to train from the start"
        ) from error
    if version > FORMAT:
        raise CheckpointError(f"{path} is of a newer memrix (format {version}, known up to {FORMAT}); update memrix")
    return state
