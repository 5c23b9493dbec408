"""Recordings to transcribe as batches, and utterances joined to windows, as a model of windows learned from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.corpus import Utterance
from memrix.asr.outside import about
from memrix.asr.speech_model import Example, SpeechBatch, SpeechModel, padded_batches
from memrix.errors import DataError, SettingsError

BATCH_SECONDS = 60.0
_WINDOWS = 8


@dataclass(frozen=True)
class JoinedUtterances:
    """Utterances that are one after the other, with silence between.

    Attributes:
        parts: the utterances.
        pause_seconds: of silence between two.
    """

    parts: tuple[Utterance, ...]
    pause_seconds: float

    @property
    def id(self) -> str:
        """That of the first one, and how many follow."""
        first, *others = self.parts
        return f"{first.id} and {len(others)} more" if others else first.id

    @property
    def text(self) -> str:
        """What is said in all of them."""
        return " ".join(part.text for part in self.parts)

    def samples(self) -> npt.NDArray[np.float32]:
        """The audio, as that of an utterance."""
        pause = np.zeros(round(self.pause_seconds * SAMPLE_RATE), np.float32)
        return np.concatenate([piece for part in self.parts for piece in (part.samples(), pause)][:-1])

    def duration(self) -> float:
        """Its length in seconds."""
        return sum(part.duration() for part in self.parts) + self.pause_seconds * (len(self.parts) - 1)


def joined(model: SpeechModel, utterances: Iterable[Utterance]) -> Sequence[JoinedUtterances]:
    """Utterances in this order as windows, each of as many as fit.

    Raises:
        SettingsError: the model has no windows.
        DataError: audio that cannot be read, or a text that cannot be written.
    """
    window = model.window
    if window is None:
        raise SettingsError(
            "this recognizer takes each utterance as it is, and has no windows to join them to; leave --join out"
        )
    lengths = ((item, item.duration(), len(model.targets(model.words(item.text)))) for item in utterances)
    return [JoinedUtterances(tuple(parts), window.pause_seconds) for parts in window.filled(lengths)]


class Clip(Protocol):
    """What is transcribed at once: an utterance, several that are joined, or a window of a recording."""

    @property
    def id(self) -> str:
        """What errors call it."""

    @property
    def text(self) -> str:
        """What is said in it."""

    def samples(self) -> npt.NDArray[np.float32]:
        """Its audio: mono, 16 kHz, in [-1, 1]; ``[samples]``."""

    def duration(self) -> float:
        """Its length in seconds."""


C = TypeVar("C", bound=Clip)


def in_batches(model: SpeechModel, clips: Sequence[C], size: int | None = None) -> list[list[C]]:
    """Clips of every batch: in their order for a model of windows, otherwise the shortest first.

    Args:
        model: that is to take them.
        clips: all of them.
        size: of a batch. By default 8 windows, or with padding a minute of audio.
    """
    if model.window is not None:
        size = size or _WINDOWS
        return [list(clips[start : start + size]) for start in range(0, len(clips), size)]
    ordered = sorted(clips, key=lambda clip: (clip.duration(), clip.id))
    return padded_batches([(clip, clip.duration()) for clip in ordered], BATCH_SECONDS, size)


def batch_of(model: SpeechModel, clips: Sequence[Clip], *, written: bool = True) -> SpeechBatch:
    """Clips as one batch: audio is read, and texts are tokenized.

    Args:
        model: that is to take them.
        clips: one or more.
        written: whether the batch holds the texts as the model writes them.

    Raises:
        DataError: no clips, audio that cannot be used, or a text that is too long or cannot be written.
    """
    if not clips:
        raise DataError("a batch needs at least one utterance, got none")
    hidden, examples = torch.zeros(0, model.bins, dtype=torch.bool), []
    for clip in clips:
        with about(clip.id):
            targets = torch.tensor(model.targets(model.words(clip.text)) if written else [], dtype=torch.long)
        examples.append(Example(clip.id, clip.text, torch.from_numpy(clip.samples()), targets, hidden))
    return SpeechBatch.of(examples)


def inputs_of(model: SpeechModel, clips: Sequence[Clip]) -> Any:  # noqa: ANN401 - whatever the network takes
    """What the network takes of clips. A decoder reads their texts, a position for each token that it would write."""
    return model.calibration_inputs(batch_of(model, clips, written=model.has_encoder))
