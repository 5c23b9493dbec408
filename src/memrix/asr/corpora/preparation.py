"""Preparing a corpus whose audio is copied, at 16 kHz; a killed preparation goes on where it stopped."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.corpora.prepared import PreparedCorpus
from memrix.asr.corpora.recordings import window
from memrix.asr.corpora.writing import Collection, writing_corpus
from memrix.errors import DataError
from memrix.toolkit import whole_file

if TYPE_CHECKING:
    from lhotse import MonoCut


Progress = Callable[[int, int], None]
"""Is told how many parts of how many are done."""


def silent(done: int, total: int) -> None:
    """Say nothing of it."""


@dataclass(frozen=True)
class Utterance:
    """An utterance to be prepared.

    Attributes:
        id: of the utterance; part of a file's name.
        text: normalized transcript.
        speaker: or character.
        samples: reads its audio: mono, 16 kHz, in [-1, 1]; ``[samples]``.
    """

    id: str
    text: str
    speaker: str
    samples: Callable[[], npt.NDArray[np.float32]]


def prepare(
    name: str,
    folder: Path,
    utterances: Sequence[Utterance],
    split_of: Mapping[str, str],
    description: Mapping[str, Any],
    progress: Progress = silent,
    *,
    skip_bad: bool = False,
) -> PreparedCorpus:
    """Write audio, manifests and description of a corpus.

    Args:
        name: of the corpus.
        folder: where to; audio that is there is kept.
        utterances: of all splits.
        split_of: split of every id.
        description: source and license, for people.
        progress: called with the number of utterances done, and the total.
        skip_bad: leave out audio that cannot be used.

    Raises:
        DataError: audio or transcripts that cannot be used (all are listed), or a folder that cannot be written to.
    """
    collection = Collection(name, skip_bad=skip_bad)
    for number, utterance in enumerate(utterances, start=1):
        path, frames, samples = folder / _audio_name(utterance), 0, None
        with collection.noting(utterance.id):
            if not utterance.text.strip():
                raise DataError("it has no transcript")
            frames = _frames(path)
            samples = None if frames else utterance.samples()
        if samples is not None:
            frames = len(samples)
            _write(folder, path, samples)
        if frames:
            collection.add(split_of[utterance.id], _cut(utterance, frames))
        progress(number, len(utterances))
    return collection.written(folder, description)


def _frames(path: Path) -> int:
    """Length of an audio file; 0 where there is none, or one that was damaged since it was written at a stroke."""
    import soundfile

    with suppress(soundfile.LibsndfileError):
        return int(soundfile.info(path).frames)
    return 0


def _write(folder: Path, path: Path, samples: npt.NDArray[np.float32]) -> None:
    """Write an audio file; that the disk is full is no problem of its utterance."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    with writing_corpus(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as stream:
            stream.write(buffer.getbuffer())


def _audio_name(utterance: Utterance) -> str:
    return f"audio/{utterance.id}.wav"


def _cut(utterance: Utterance, frames: int) -> MonoCut:
    from lhotse import Recording
    from lhotse.audio import AudioSource

    # Relative to the folder, which may be moved.
    source = AudioSource("file", [0], _audio_name(utterance))
    recording = Recording(utterance.id, [source], SAMPLE_RATE, frames, frames / SAMPLE_RATE)
    return window(recording, utterance.id, utterance.text, utterance.speaker)


def fixed_splits(corpus: str) -> dict[str, str]:
    """Split of every id of a corpus that memrix ships a division of."""
    text = (files("memrix.asr.corpora") / "splits" / f"{corpus}.json").read_text(encoding="utf-8")
    return {name: split for split, names in json.loads(text)["splits"].items() for name in names}
