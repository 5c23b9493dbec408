"""Audio files as arrays at the sampling rate of the recognisers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from memrix.errors import DataError

if TYPE_CHECKING:
    import soundfile

SAMPLE_RATE = 16_000

_LOUDEST = 2.0
"""Peaks just above full scale come from lossy codecs; above this, the file is on another scale."""

_ROUGH_LENGTH = 0.05
"""The headers of lossy codecs may state the length only roughly."""

_CHUNK = re.compile(r"^ *(?:data|SSND) : (?P<stated>\d+) \(should be (?P<found>\d+)\)", re.MULTILINE)
_UNKNOWN_SIZE = 0x7FFF_0000
"""Writers to a pipe, which cannot know the size, state one from here on."""


def read_audio(path: Path) -> npt.NDArray[np.float32]:
    """Samples of an audio file: mono (mean of the channels), 16 kHz, in [-1, 1]; shape [samples].

    Raises:
        DataError: missing, unreadable, empty, cut off, not finite, or on another scale.
    """
    with _opened(path) as file:
        return _decoded(file, str(path))


def read_audio_stream(stream: BinaryIO, name: str) -> npt.NDArray[np.float32]:
    """Samples of audio in memory, as ``read_audio`` gives those of a file; ``name`` is what errors call it.

    Raises:
        DataError: unreadable, empty, cut off, not finite, or on another scale.
    """
    import soundfile

    try:
        with soundfile.SoundFile(stream) as file:
            return _decoded(file, name)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{name} cannot be read as audio ({error.error_string})") from error


def _decoded(file: soundfile.SoundFile, name: str) -> npt.NDArray[np.float32]:
    channels = file.read(dtype="float32", always_2d=True)  # [frames, channels]
    rate, expected = file.samplerate, file.frames
    if not len(channels):
        raise DataError(f"{name} holds no samples; remove it or record it again")
    if len(channels) < (1 - _ROUGH_LENGTH) * expected or _is_cut_off(file.extra_info):
        raise DataError(f"{name} ends before the length in its header; copy or record it again")
    if not np.isfinite(channels).all():
        raise DataError(f"{name} holds samples that are not finite numbers; export it again")
    peak = float(np.abs(channels).max())
    if peak > _LOUDEST:
        raise DataError(f"{name} has samples up to {peak:.4g}, expected [-1, 1]; divide it by its full scale")
    return np.clip(_resample(channels.mean(axis=1), rate), -1.0, 1.0)


def duration_seconds(path: Path) -> float:
    """Length of an audio file in seconds, from its header.

    Raises:
        DataError: missing, unreadable or empty.
    """
    with _opened(path) as file:
        return float(file.frames / file.samplerate)


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    import soundfile

    if not path.is_file():
        raise DataError(f"no audio file at {path}; check the path")
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames == 0:
                raise DataError(f"{path} holds no samples; remove it or record it again")
            yield file
    except (soundfile.LibsndfileError, OSError) as error:
        reason = getattr(error, "error_string", None) or error
        raise DataError(
            f"{path} cannot be read as audio ({reason}); give WAV, FLAC, OGG or MP3 that plays elsewhere"
        ) from error


def _is_cut_off(log: str) -> bool:
    """Whether libsndfile noted that a WAV or AIFF file has fewer bytes than its header says."""
    chunk = _CHUNK.search(log)
    return chunk is not None and int(chunk["found"]) < int(chunk["stated"]) < _UNKNOWN_SIZE


def _resample(samples: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float32]:
    if rate == SAMPLE_RATE:
        return samples
    from scipy.signal import resample_poly

    common = gcd(rate, SAMPLE_RATE)
    resampled = resample_poly(samples, SAMPLE_RATE // common, rate // common)
    return np.asarray(resampled, dtype=np.float32)
