"""The best epochs of a training, and their average."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor

from memrix.asr.speech_model import SpeechModel
from memrix.toolkit import FileKind, read_archive, write_archive

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
        candidates = [epoch for epoch, error in enumerate(errors) if isfinite(error)]
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
