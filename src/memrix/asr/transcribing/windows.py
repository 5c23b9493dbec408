"""A recording as windows of at most 30 s, cut where it is quiet; read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from memrix.asr.audio import SAMPLE_RATE, audio_pieces
from memrix.asr.corpus import WINDOW_SECONDS
from memrix.errors import DataError

SILENCE = 2.0**-12
"""Of full scale, -72 dB: the noise of 16-bit recordings is below, any speech that was recorded above."""
_SEARCHED = 10.0  # s at the end of a window, in which it is cut
_PAUSE = 0.1  # s that are to be quiet
_SHORTEST = round(0.1 * SAMPLE_RATE)  # samples that a recognizer gets; a shorter window is padded with silence

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AudioWindow:
    """A part of a recording.

    Attributes:
        path: of the recording.
        index: number of the window.
        first: its first sample, at 16 kHz.
        audio: at 16 kHz, ``[samples]``.
        text: what was found in it.
    """

    path: Path
    index: int
    first: int
    audio: Samples
    text: str = ""

    @property
    def id(self) -> str:
        """How errors call it."""
        return f"the window of {self.path} from {self.start:.1f} s"

    def samples(self) -> Samples:
        """The audio as a recognizer takes it."""
        return np.pad(self.audio, (0, max(0, _SHORTEST - len(self.audio))))

    def duration(self) -> float:
        """In s."""
        return self.end - self.start

    @property
    def start(self) -> float:
        """In s from the beginning of the recording."""
        return self.first / SAMPLE_RATE

    @property
    def end(self) -> float:
        """In s from the beginning of the recording."""
        return (self.first + len(self.audio)) / SAMPLE_RATE

    @property
    def silent(self) -> bool:
        """Whether no sample is louder than noise."""
        return float(np.abs(self.audio).max()) < SILENCE


def windows_of(path: Path, index: int = 0, seconds: float = WINDOW_SECONDS) -> Iterator[AudioWindow]:
    """The windows of a recording, one after the other, which together are all of it.

    Args:
        path: of the audio file.
        index: number of the first window.
        seconds: length of a window at most. One that others follow is cut in its last third, at the quietest place.

    Raises:
        DataError: the file cannot be read, is damaged or empty, or holds nothing but silence.
    """
    longest = round(seconds * SAMPLE_RATE)
    first, silent = 0, True
    waiting = np.empty(0, dtype=np.float32)
    for piece in audio_pieces(path):
        waiting = np.concatenate([waiting, piece])
        while len(waiting) > longest:
            cut = _quietest(waiting[:longest])
            window = AudioWindow(path, index, first, waiting[:cut])
            silent = silent and window.silent
            yield window
            index, first, waiting = index + 1, first + cut, waiting[cut:]
    if len(waiting):
        window = AudioWindow(path, index, first, waiting)
        silent = silent and window.silent
        if not silent:
            yield window
    if silent:
        raise DataError(
            f"{path} is silent: no sample is above {20 * np.log10(SILENCE):.0f} dB of full scale; check the "
            "microphone and the channel, or record it louder"
        )


def _quietest(audio: Samples) -> int:
    """Where to cut: the middle of the quietest pause of its last third, the later of two."""
    pause = round(_PAUSE * SAMPLE_RATE)
    begin = len(audio) - min(round(_SEARCHED * SAMPLE_RATE), len(audio) // 3)
    energy = np.cumsum(np.concatenate([[0.0], audio[begin:].astype(np.float64) ** 2]))
    sums = (energy[pause:] - energy[:-pause])[:: pause // 2]
    quietest = len(sums) - 1 - int(np.argmin(sums[::-1]))
    return begin + quietest * (pause // 2) + pause // 2
