"""Utterances joined to windows, as a model of windows learned from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.corpus import Utterance
from memrix.asr.speech_model import SpeechModel
from memrix.errors import SettingsError


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


Clip = Utterance | JoinedUtterances
"""What is transcribed at once."""


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
