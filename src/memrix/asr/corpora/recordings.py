"""Recordings of the user that stay where they are, windows of them as utterances, and what reads them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memrix.asr.audio import SAMPLE_RATE, check_ends
from memrix.asr.outside import explained, text_problem
from memrix.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from lhotse import MonoCut, Recording
    from lhotse.cut import Cut


_LATE = 0.1
"""Seconds by which a window may go beyond its recording; it is shortened."""
_SHORTEST = 0.01  # s

_BACKEND, _VARIABLE = "LibsndfileBackend", "LHOTSE_AUDIO_BACKEND"
_SHELLS = ("FfmpegSubprocessOpusBackend", "Sph2pipeSubprocessBackend")


@dataclass(frozen=True)
class Entry:
    """An utterance as a source lists it.

    Attributes:
        id: of the utterance.
        audio: its file as the source names it.
        text: what is said, as it is written.
        start: of the utterance in its file, in s.
        end: in s; None is the end of the file.
        speaker: None where the source does not tell.
    """

    id: str
    audio: str
    text: str
    start: float = 0.0
    end: float | None = None
    speaker: str | None = None


def kept_recording(path: Path, name: str) -> Recording:
    """An audio file of one channel, read at 16 kHz; its header and its last tenth of a second are read.

    Raises:
        DataError: missing, unreadable, empty, cut off, or of several channels.
    """
    from lhotse import Recording
    from lhotse.audio import AudioSource

    problem = text_problem(str(path))
    if problem is not None:
        raise DataError(f"the path {problem}, which no manifest can; rename it")
    shape = check_ends(path)
    if shape.channels != 1:
        raise DataError(f"{path} has {shape.channels} channels, expected one; mix them, or keep that of the speaker")
    source = AudioSource("file", [0], str(path.resolve()))
    recording = Recording(name, [source], shape.rate, shape.frames, shape.frames / shape.rate)
    return recording if shape.rate == SAMPLE_RATE else recording.resample(SAMPLE_RATE)


def window(
    recording: Recording, name: str, text: str, speaker: str | None, start: float = 0.0, end: float | None = None
) -> MonoCut:
    """A part of a recording with its transcript; no audio is copied.

    Args:
        recording: of one channel.
        name: id of the utterance.
        text: normalized transcript.
        speaker: who says it; None where that is not known.
        start: in seconds.
        end: in seconds; None is the end of the recording.

    Raises:
        DataError: the window is empty or not in the recording.
    """
    from lhotse import MonoCut, SupervisionSegment

    length = float(recording.duration)
    end = length if end is None else end
    if not (start >= 0 and end <= length + _LATE and min(end, length) - start >= _SHORTEST):
        raise DataError(
            f"it lasts from {start:g} to {end:g} s, and its recording {recording.id} from 0 to {length:g} s; "
            "fix these times, or copy the recording again if it was cut off"
        )
    seconds = round(min(end, length) - start, 8)
    said = SupervisionSegment(name, recording.id, 0, seconds, text=text, speaker=speaker, language="English")
    return MonoCut(name, start, seconds, 0, [said], recording=recording)


def samples_of(cut: Cut) -> npt.NDArray[np.float32]:
    """The audio of an utterance of a prepared corpus, ``[samples]``.

    Raises:
        DataError: it cannot be read, or is shorter than the manifest says.
    """
    what = f"the audio of {cut.id} cannot be read from {cut.recording.sources[0].source}"
    # Broad, because lhotse and its backends raise errors of many kinds.
    with explained(DataError, what, "copy it again, or prepare the corpus again", Exception):
        samples: npt.NDArray[np.float32] = cut.load_audio()[0]
    return samples


def read_sphere_by_libsndfile() -> None:
    """Make lhotse read audio by libsndfile, in this process and those that it starts.

    By default lhotse gives ``.sph`` files to a program, sph2pipe, in a line of a shell that holds the name of the
    file unquoted, and may give others to ffmpeg likewise. A backend that the user has chosen stays, unless it is one
    of these.
    """
    from lhotse.audio.backend import get_current_audio_backend, set_current_audio_backend

    if os.environ.get(_VARIABLE) in (None, "default", *_SHELLS):
        os.environ[_VARIABLE] = _BACKEND
    if type(get_current_audio_backend()).__name__ in ("CompositeAudioBackend", *_SHELLS):
        set_current_audio_backend(_BACKEND)
