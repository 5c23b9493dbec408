"""The state of a training on disk: written whole, read without executing anything."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from torch import Tensor

from memrix.asr.files import disk_is_full, whole_file
from memrix.asr.former import present_state
from memrix.asr.kept import Count
from memrix.asr.outside import told
from memrix.errors import CheckpointError

FORMAT = 1

_LONGEST_DESCRIPTION = 64 << 20
"""Bytes of the state that are not tensors: names, numbers and the history."""
_MOST_EPOCHS = 100_000


class _Epoch(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    epoch: Annotated[int, Field(ge=0, le=_MOST_EPOCHS)]
    loss: FiniteFloat
    dev_loss: float  # may be infinite where an utterance is too short for its labels
    dev_error_rate: Annotated[FiniteFloat, Field(ge=0)]
    seconds: Annotated[FiniteFloat, Field(ge=0)]


class _Optimizer(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)

    state: dict[int, dict[Literal["step", "exp_avg", "exp_avg_sq"], Tensor]]
    param_groups: list[dict[str, Any]]


class _State(BaseModel):
    """What a state must be; the weights themselves are held against the recognizer that takes them."""

    model_config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)

    format: Literal[1]
    recognizer: dict[str, Tensor]
    optimizer: _Optimizer
    epoch: Annotated[int, Field(ge=0, le=_MOST_EPOCHS)]
    batch: Count
    loss: FiniteFloat
    labels: Count
    history: list[_Epoch]


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state atomically: a killed process leaves the previous one unchanged.

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
        fix = "free some space and run the same command again" if full else "name another folder"
        raise CheckpointError(f"the state of the training cannot be written to {path} ({error}); {fix}") from error


def read_state(path: Path) -> dict[str, Any]:
    """The state that ``write_state`` wrote, on the CPU; nothing but tensors and plain values is read.

    Raises:
        CheckpointError: the file is damaged, of a newer version, or holds something else.
    """
    try:
        _require_measure(path)
        state: dict[str, Any] = present_state(torch.load(path, map_location="cpu", weights_only=True))
        version = state["format"]
    except Exception as error:  # broad, because damaged pickles end in errors of every kind
        raise _damaged(path, f"{type(error).__name__}: {str(error)[:80]}") from error
    if isinstance(version, int) and version > FORMAT:
        raise CheckpointError(f"{path} is of a newer memrix (format {version}, known up to {FORMAT}); update memrix")
    try:
        checked = _State.model_validate(state)
    except ValidationError as error:
        raise _damaged(path, told(error)) from error
    if len(checked.history) != checked.epoch or any(item.epoch != i for i, item in enumerate(checked.history)):
        raise _damaged(path, f"{len(checked.history)} epochs in its history, and epoch {checked.epoch} under way")
    for name, value in checked.recognizer.items():
        if value.layout is not torch.strided or value.is_meta:
            raise _damaged(path, f"{name} is no plain tensor")
    return state


def optimizer_state(
    path: Path, kept: Mapping[str, Any], own: Mapping[str, Any], parameters: list[Tensor]
) -> dict[str, Any]:
    """The kept state of an optimizer, for parameters in this order, with the settings that it has ``own``.

    Raises:
        CheckpointError: the state is of other parameters.
    """
    for number, tensors in kept["state"].items():
        shape = parameters[number].shape if 0 <= number < len(parameters) else None
        for name, value in tensors.items():
            expected = torch.Size([]) if name == "step" else shape
            if value.shape != expected or not value.is_floating_point() or not math.isfinite(float(value.sum())):
                raise _damaged(path, f"{name} of parameter {number} is of another shape, or not finite")
    return {"state": kept["state"], "param_groups": own["param_groups"]}


def _require_measure(path: Path) -> None:
    """A state lies unpacked in its archive: what would grow as it is read was not written by ``write_state``."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("its parts are compressed")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise ValueError("its parts are larger than the file")
    if any(entry.filename.endswith(".pkl") and entry.file_size > _LONGEST_DESCRIPTION for entry in entries):
        raise ValueError("its description is longer than any")


def _damaged(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"the state of the training in {path} is damaged ({reason}); remove it to train from the start"
    )
