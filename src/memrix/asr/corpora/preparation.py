"""Preparing a corpus: audio at 16 kHz, manifests, statistics; a killed preparation goes on where it stopped."""

from __future__ import annotations

import errno
import io
import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.corpora.prepared import DESCRIPTION, SPLITS, PreparedCorpus
from memrix.errors import DataError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Utterance:
    """An utterance to be prepared.

    Attributes:
        id: of the utterance; part of a file's name.
        text: normalised transcript.
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
    progress: Progress = lambda done, total: None,
) -> PreparedCorpus:
    """Write audio, manifests and description of a corpus.

    Args:
        name: of the corpus.
        folder: where to; files that are there are kept.
        utterances: of all splits.
        split_of: split of every id.
        description: source and licence, for people.
        progress: is told how many utterances of how many are done.

    Raises:
        DataError: audio that cannot be used (all is listed), or a folder that cannot be written.
    """
    audio = folder / "audio"
    problems: list[str] = []
    seconds: dict[str, float] = {}
    with _writing(folder):
        audio.mkdir(parents=True, exist_ok=True)
        for number, utterance in enumerate(utterances):
            try:
                seconds[utterance.id] = _keep_audio(audio / f"{utterance.id}.wav", utterance)
            except DataError as error:
                problems.append(f"{utterance.id}: {error}")
            progress(number + 1, len(utterances))
        if problems:
            raise DataError(f"the corpus {name} has audio that cannot be used:\n  " + "\n  ".join(problems))
        for split in SPLITS:
            chosen = [utterance for utterance in utterances if split_of[utterance.id] == split]
            _write_cuts(folder / f"{split}.jsonl.gz", chosen, seconds)
        statistics = {
            split: _statistics([item for item in utterances if split_of[item.id] == split], seconds)
            for split in SPLITS
        }
        full = {"name": name, **description, "statistics": statistics}
        # Last, as it says that all else is there.
        write_whole(folder / DESCRIPTION, json.dumps(full, indent=2, ensure_ascii=False).encode())
    return PreparedCorpus(name, folder, full)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class _writing:  # noqa: N801  # a context manager, used like a function
    """Turns errors of the disk into errors of memrix."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            mend = (
                "free some space and run again: what is done is kept"
                if error.errno == errno.ENOSPC
                else "name another"
            )
            raise DataError(
                f"the folder {self._folder} cannot be written ({error.strerror or error}); {mend}"
            ) from error


def _keep_audio(path: Path, utterance: Utterance) -> float:
    """Write the audio unless it is there; its length in seconds."""
    import soundfile

    if path.is_file():
        return float(soundfile.info(path).frames / SAMPLE_RATE)
    samples = utterance.samples()
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    write_whole(path, buffer.getvalue())
    return len(samples) / SAMPLE_RATE


def _write_cuts(path: Path, utterances: Iterable[Utterance], seconds: Mapping[str, float]) -> None:
    from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
    from lhotse.audio import AudioSource

    cuts = []
    for utterance in utterances:
        duration = seconds[utterance.id]
        source = AudioSource("file", [0], f"audio/{utterance.id}.wav")
        recording = Recording(utterance.id, [source], SAMPLE_RATE, round(duration * SAMPLE_RATE), duration)
        segment = SupervisionSegment(
            utterance.id,
            utterance.id,
            0,
            duration,
            text=utterance.text,
            speaker=utterance.speaker,
            language="English",
        )
        cuts.append(MonoCut(utterance.id, 0, duration, 0, [segment], recording=recording))
    partial = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    CutSet.from_cuts(cuts).to_file(partial)
    os.replace(partial, path)


def _statistics(utterances: Sequence[Utterance], seconds: Mapping[str, float]) -> dict[str, Any]:
    words = Counter(word for utterance in utterances for word in utterance.text.split())
    return {
        "utterances": len(utterances),
        "hours": round(sum(seconds[utterance.id] for utterance in utterances) / 3600, 4),
        "words": words.total(),
        "vocabulary": len(words),
        "speakers": len({utterance.speaker for utterance in utterances}),
    }
