"""The state of a training on disk: written whole, read without executing anything; best epochs; signals to stop."""

from __future__ import annotations

import math
import os
import signal
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, FiniteFloat
from torch import Tensor

from memrix.asr.former import STATE, in_present_names
from memrix.asr.kept import Count
from memrix.asr.outside import Schema, explained
from memrix.asr.speech_model import SpeechModel
from memrix.errors import CheckpointError
from memrix.toolkit import FileKind, read_archive, whole_file, write_archive

FORMAT = 1

_LONGEST_DESCRIPTION = 64 << 20
"""Bytes of the state that are not tensors: names, numbers and the history."""
_MOST_EPOCHS = 100_000


class _Epoch(Schema):
    epoch: Annotated[int, Field(ge=0, le=_MOST_EPOCHS)]
    loss: FiniteFloat
    dev_loss: float  # may be infinite where an utterance is too short for its labels
    dev_error_rate: Annotated[FiniteFloat, Field(ge=0)]
    seconds: Annotated[FiniteFloat, Field(ge=0)]


class _Optimizer(Schema):
    state: dict[int, dict[Literal["step", "exp_avg", "exp_avg_sq"], Tensor]]
    param_groups: list[dict[str, Any]]


class _State(Schema):
    """What a state must be; the weights themselves are held against the recognizer that takes them."""

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
    what, space = f"the state of the training cannot be written to {path}", "free some space and run again"
    failures = (OSError, RuntimeError)  # torch tells of a full disk by the latter
    with explained(CheckpointError, what, "name another folder", failures, full=space), whole_file(path) as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())


def read_state(path: Path) -> dict[str, Any]:
    """The state that ``write_state`` wrote, on the CPU; nothing but tensors and plain values is read.

    Raises:
        CheckpointError: the file is damaged, of a newer version, or holds something else.
    """
    with _sound(path):
        _require_measure(path)
        state: dict[str, Any] = in_present_names(torch.load(path, map_location="cpu", weights_only=True), STATE)
        version = state["format"]
        if isinstance(version, int) and version > FORMAT:
            raise CheckpointError(
                f"{path} is of a newer memrix (format {version}, known up to {FORMAT}); update memrix"
            )
        checked = _State.model_validate(state)
        if [item.epoch for item in checked.history] != list(range(checked.epoch)):
            raise ValueError(f"{len(checked.history)} epochs in its history, and epoch {checked.epoch} under way")
        for name, value in checked.recognizer.items():
            if value.layout is not torch.strided or value.is_meta:
                raise ValueError(f"{name} is no plain tensor")
    return state


def optimizer_state(
    path: Path, kept: Mapping[str, Any], own: Mapping[str, Any], parameters: list[Tensor]
) -> dict[str, Any]:
    """The kept state of an optimizer, for parameters in this order, with the settings that it has ``own``.

    Raises:
        CheckpointError: the state is of other parameters.
    """
    with _sound(path):
        for number, tensors in kept["state"].items():
            shape = parameters[number].shape if 0 <= number < len(parameters) else None
            for name, value in tensors.items():
                expected = torch.Size([]) if name == "step" else shape
                if value.shape != expected or not value.is_floating_point() or not math.isfinite(float(value.sum())):
                    raise ValueError(f"{name} of parameter {number} is of another shape, or not finite")
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


def _sound(path: Path) -> AbstractContextManager[None]:
    """A block that reads a state; broad, because damaged pickles end in errors of every kind."""
    what = f"the state of the training in {path} is damaged"
    return explained(CheckpointError, what, "remove it to train from the start", Exception)


_EPOCH = FileKind("weights of an epoch", "`memrix train`", "`memrix train`")


class BestEpochs:
    """Weights of the epochs with the lowest error, in a folder; the others are removed.

    Args:
        folder: where they are kept.
        count: how many.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._count = count
        folder.mkdir(parents=True, exist_ok=True)

    def update(self, epoch: int, recognizer: SpeechModel, errors: Sequence[float]) -> None:
        """Keep the weights after ``epoch`` if they are among the best; ``errors`` has one value an epoch."""
        best = self.epochs(errors)
        if epoch in best:
            write_archive(self._path(epoch), dict(recognizer.state_dict()), {"epoch": epoch})
        for path in self._folder.glob("epoch-*.safetensors"):
            if path not in {self._path(other) for other in best}:
                path.unlink()

    def epochs(self, errors: Sequence[float]) -> list[int]:
        """The best epochs, best first; of equals, the later one. Those of infinite error do not count."""
        candidates = [epoch for epoch, error in enumerate(errors) if math.isfinite(error)]
        return sorted(candidates, key=lambda epoch: (errors[epoch], -epoch))[: self._count]

    def average(self, errors: Sequence[float]) -> dict[str, Tensor]:
        """Mean of the weights of the best epochs; integers are those of the best."""
        states = [read_archive(self._path(epoch), _EPOCH)[0] for epoch in self.epochs(errors)]
        return {
            name: torch.stack([state[name].double() for state in states]).mean(dim=0).to(value.dtype)
            if value.is_floating_point()
            else value
            for name, value in states[0].items()
        }

    def _path(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch:04d}.safetensors"


@contextmanager
def interruptible() -> Iterator[list[bool]]:
    """Signals to stop are noted, so that a step is finished and the state kept; the second one stops at once."""
    noted: list[bool] = []

    def note(number: int, frame: object) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(True)

    former = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            former[number] = signal.signal(number, note)
    except ValueError:  # not the main thread: whoever runs this handles signals
        pass
    try:
        yield noted
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
