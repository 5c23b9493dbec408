"""Audio files as arrays at the sampling rate of the recognizers, whole or piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from memrix.asr.outside import explained
from memrix.errors import DataError
from memrix.toolkit import file_path

if TYPE_CHECKING:
    import soundfile


Samples = npt.NDArray[np.float32]

_HALF_LENGTH = 10  # of the filter of scipy.signal.resample_poly, in periods of the lower rate

SAMPLE_RATE = 16_000

_LOUDEST = 2.0
"""Peaks just above full scale come from lossy codecs; above this, the file is on another scale."""

_ROUGH_LENGTH = 0.05
"""The headers of lossy codecs may state the length only roughly."""

_CHUNK = re.compile(r"^ *(?:data|SSND) : (?P<stated>\d+) \(should be (?P<found>\d+)\)", re.MULTILINE)
_SPHERE_FRAMES = re.compile(rb"^sample_count -i (?P<frames>\d+)", re.MULTILINE)
_SPHERE_HEADER_BYTES = 1024

_UNKNOWN_SIZE = 0x7FFF_0000
"""Writers to a pipe, which cannot know the size, state one from here on."""


def resampled(pieces: Iterable[Samples], rate: int) -> Iterator[Samples]:
    """Samples of any rate as those at 16 kHz, given as soon as their neighbors are known; a piece may be empty.

    Args:
        pieces: ``[samples]`` each.
        rate: of the samples that are taken, in Hz.
    """
    common = gcd(rate, SAMPLE_RATE)
    up, down = SAMPLE_RATE // common, rate // common
    if up == down:
        yield from pieces
        return
    from scipy.signal import resample_poly

    reach = -(-_HALF_LENGTH * max(up, down) // up) + 1
    # Pieces begin where a sample that is taken and one that is given fall together.
    context = -(-reach // down) * down
    kept, given = np.empty(0, dtype=np.float32), 0  # of the kept samples, the counterparts of these are given
    for piece, following in pairwise(chain(pieces, [None])):
        kept, is_last = np.concatenate([kept, cast(Samples, piece)]), following is None
        ready = len(kept) if is_last else (len(kept) - context) // down * down
        if ready > given:
            end = None if is_last else ready // down * up
            yield np.asarray(resample_poly(kept, up, down)[given // down * up : end], dtype=np.float32)
            dropped = max(ready - context, 0)
            kept, given = kept[dropped:], ready - dropped


def read_audio(path: Path, start: float = 0.0, seconds: float | None = None) -> npt.NDArray[np.float32]:
    """Samples of an audio file, or of a part of it: mono (mean of the channels), 16 kHz, in [-1, 1]; shape [samples].

    Args:
        path: of the file.
        start: where the part begins, in seconds.
        seconds: length of the part; None reads to the end.

    Raises:
        DataError: missing, unreadable, empty, cut off, not finite, or on another scale.
    """
    with _opened(path) as file:
        if not start and seconds is None:
            return _decoded(file, str(path))
        first = file.seek(min(round(start * file.samplerate), file.frames))
        frames = file.frames - first if seconds is None else round(seconds * file.samplerate)
        return _decoded(file, f"{path}, from {start:g} s on,", frames)


@dataclass(frozen=True)
class Shape:
    """Frames, frames a second, and channels of an audio file."""

    frames: int
    rate: int
    channels: int


def check_ends(path: Path) -> Shape:
    """What the header of an audio file says, once its last tenth of a second was read too.

    That finds files that were cut off, without decoding hours of audio.

    Raises:
        DataError: missing, unreadable, empty or cut off.
    """
    import soundfile

    with _opened(path) as file:
        frames = min(file.frames, max(1, file.samplerate // 10))
        try:
            file.seek(file.frames - frames)
            found = len(file.read(frames, dtype="float32", always_2d=True))
        except soundfile.LibsndfileError:
            found = 0
        if not found or _is_cut_off(file.extra_info):
            raise _cut_off(path)
        return Shape(file.frames, file.samplerate, file.channels)


def audio_pieces(path: Path, seconds: float = 10.0) -> Iterator[npt.NDArray[np.float32]]:
    """The samples that ``read_audio`` gives, piece by piece: a recording may be longer than memory.

    Args:
        path: of the file.
        seconds: of audio that is decoded at a time.

    Raises:
        DataError: as ``read_audio`` does, once the place is reached.
    """
    with _opened(path) as file:
        for piece in resampled(_pieces(file, path, max(1, round(seconds * file.samplerate))), file.samplerate):
            yield np.clip(piece, -1.0, 1.0)


def _pieces(file: soundfile.SoundFile, path: Path, frames: int) -> Iterator[Samples]:
    done = 0
    while len(channels := file.read(frames, dtype="float32", always_2d=True)):  # [frames, channels]
        yield _mono(channels, f"{path}, from {done / file.samplerate:g} s on,")
        done += len(channels)
    _require_complete(file, str(path), done, file.frames)


def read_audio_stream(stream: BinaryIO, name: str) -> npt.NDArray[np.float32]:
    """Samples of audio in memory, as ``read_audio`` gives those of a file; ``name`` is what errors call it.

    Raises:
        DataError: unreadable, empty, cut off, not finite, or on another scale.
    """
    import soundfile

    with (
        explained(DataError, f"{name} cannot be read as audio", caught=soundfile.LibsndfileError),
        soundfile.SoundFile(stream) as file,
    ):
        return _decoded(file, name)


def _decoded(file: soundfile.SoundFile, name: str, frames: int | None = None) -> npt.NDArray[np.float32]:
    channels = file.read(-1 if frames is None else frames, dtype="float32", always_2d=True)  # [frames, channels]
    rate, expected = file.samplerate, file.frames if frames is None else frames
    _require_complete(file, name, len(channels), expected)
    return np.clip(next(resampled([_mono(channels, name)], rate)), -1.0, 1.0)


def _require_complete(file: soundfile.SoundFile, name: str, found: int, expected: int) -> None:
    if not found:
        raise DataError(f"{name} holds no samples; remove it or record it again")
    if found < (1 - _ROUGH_LENGTH) * expected or _is_cut_off(file.extra_info):
        raise _cut_off(name)


def _cut_off(name: object) -> DataError:
    return DataError(f"{name} ends before the length in its header; copy or record it again")


def _mono(channels: npt.NDArray[np.float32], name: str) -> npt.NDArray[np.float32]:
    """Mean of the channels ``[frames, channels]``, which must be numbers of about full scale."""
    if not np.isfinite(channels).all():
        raise DataError(f"{name} holds samples that are not finite numbers; export it again")
    peak = float(np.abs(channels).max())
    if peak > _LOUDEST:
        raise DataError(f"{name} has samples up to {peak:.4g}, expected [-1, 1]; divide it by its full scale")
    mean: npt.NDArray[np.float32] = channels.mean(axis=1)
    return mean


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

    if not file_path(path, DataError, "the path of a recording").is_file():
        raise DataError(f"no audio file at {path}; check the path")
    unreadable, fix = (soundfile.LibsndfileError, OSError), "give WAV, FLAC, OGG or MP3 that plays elsewhere"
    with explained(DataError, f"{path} cannot be read as audio", fix, unreadable), soundfile.SoundFile(path) as file:
        if file.frames == 0:
            raise DataError(f"{path} holds no samples; remove it or record it again")
        if file.format == "NIST" and file.frames < _stated_sphere_frames(path):
            raise _cut_off(path)
        yield file


def _stated_sphere_frames(path: Path) -> int:
    """Frames that the header of a SPHERE file states; libsndfile says how many there are."""
    with path.open("rb") as stream:
        stated = _SPHERE_FRAMES.search(stream.read(_SPHERE_HEADER_BYTES))
    return int(stated["frames"]) if stated else 0


def _is_cut_off(log: str) -> bool:
    """Whether libsndfile noted that a WAV or AIFF file has fewer bytes than its header says."""
    chunk = _CHUNK.search(log)
    return chunk is not None and int(chunk["found"]) < int(chunk["stated"]) < _UNKNOWN_SIZE
