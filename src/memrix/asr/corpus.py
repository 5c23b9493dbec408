"""Transcribed recordings: fingerprints, checks and splits."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from memrix.asr.audio import SAMPLE_RATE, duration_seconds, read_audio
from memrix.asr.kept import hash_of
from memrix.asr.outside import text_problem
from memrix.errors import DataError
from memrix.toolkit import listing as listing

WINDOW_SECONDS = 30.0
"""Longest clip that a recognizer transcribes at once (Whisper's window)."""


@dataclass(frozen=True)
class Utterance:
    """One recording, or a part of one, with its transcript.

    Attributes:
        id: of the utterance.
        audio: file of the recording.
        text: the transcript.
        start: where the part begins, in seconds.
        seconds: length of the part; None is the whole recording.
    """

    id: str
    audio: Path
    text: str
    start: float = 0.0
    seconds: float | None = None

    def samples(self) -> npt.NDArray[np.float32]:
        """Its audio: mono, 16 kHz, in [-1, 1]; ``[samples]``.

        Raises:
            DataError: the audio cannot be used.
        """
        return read_audio(self.audio, self.start, self.seconds)

    def duration(self) -> float:
        """Its length in seconds, of a whole recording as the header says.

        Raises:
            DataError: the file is missing, unreadable or empty.
        """
        return duration_seconds(self.audio) if self.seconds is None else self.seconds

    @property
    def part(self) -> tuple[float, ...]:
        """Start and length of a part; nothing for a whole recording."""
        return () if self.seconds is None else (self.start, self.seconds)


@dataclass(frozen=True)
class Corpus:
    """Utterances and where they come from (versions, license).

    Raises:
        DataError: no utterances, empty transcripts, ids that occur twice, or texts with NUL or lone surrogates; all
            are listed.
    """

    name: str
    utterances: tuple[Utterance, ...]
    source: str

    def __post_init__(self) -> None:
        if not self.utterances:
            raise DataError(f"the corpus {self.name} is empty; give at least one recording with a transcript")
        empty = [utterance.id for utterance in self.utterances if not utterance.text.strip()]
        ids = Counter(utterance.id for utterance in self.utterances)
        problems = [f"{name}: the transcript is empty" for name in empty]
        for utterance in self.utterances:
            named = (("id", utterance.id), ("transcript", utterance.text), ("path", str(utterance.audio)))
            problems += [f"the {what} {problem}" for what, text in named if (problem := text_problem(text))]
        problems += [f"{name}: {count} utterances have this id" for name, count in ids.items() if count > 1]
        if problems:
            raise DataError(f"the corpus {self.name} cannot be used; fix or remove:{listing(problems)}")

    @property
    def fingerprint(self) -> str:
        """SHA-256 over ids, texts and sizes of the audio files; the order does not matter."""
        # A file that is missing is reported by `check_audio`.
        sizes = {item.audio: item.audio.stat().st_size if item.audio.is_file() else -1 for item in self.utterances}
        return hash_of(*sorted((item.id, item.text, sizes[item.audio], *item.part) for item in self.utterances))


def check_audio(
    corpus: Corpus, *, skip_bad: bool = False, longest_seconds: float | None = WINDOW_SECONDS
) -> tuple[Corpus, tuple[str, ...]]:
    """Decode every audio file; the corpus without the bad ones, and a message for each that was skipped.

    Bad are files that cannot be used as audio, and clips longer than ``longest_seconds``, if it is given.

    Raises:
        DataError: bad files (all are listed) unless ``skip_bad``; or none is left.
    """
    good: list[Utterance] = []
    problems: list[str] = []
    for utterance in corpus.utterances:
        try:
            seconds = len(utterance.samples()) / SAMPLE_RATE
            if longest_seconds is not None and seconds > longest_seconds:
                limit = f"at most {longest_seconds:g} s are transcribed at once; cut it"
                raise DataError(f"{utterance.audio} lasts {seconds:.1f} s, {limit}")
            good.append(utterance)
        except DataError as error:
            problems.append(f"{utterance.id}: {error}")
    if problems and not (skip_bad and good):
        fix = "none is left" if skip_bad else "fix them, or leave them out with --skip-bad"
        raise DataError(
            f"{len(problems)} of {len(corpus.utterances)} recordings of the corpus {corpus.name} cannot be "
            f"used; {fix}:{listing(problems)}"
        )
    return replace(corpus, utterances=tuple(good)), tuple(problems)


def shorter_than(corpus: Corpus, seconds: float) -> Corpus:
    """The utterances of at most so many seconds; how many were left out is said in ``source``.

    Raises:
        DataError: none is left.
    """
    kept = tuple(u for u in corpus.utterances if u.duration() <= seconds)
    if not kept:
        raise DataError(
            f"no recording of the corpus {corpus.name} lasts at most {seconds:g} s; allow for longer ones"
        )
    left_out = len(corpus.utterances) - len(kept)
    source = f"{corpus.source}; {left_out} recordings of more than {seconds:g} s left out"
    return replace(corpus, utterances=kept, source=source)


def chosen(corpus: Corpus, limit: int | None, seed: int = 0) -> Corpus:
    """The utterances in the order that ``split`` draws, or the first of them.

    Raises:
        DataError: too few utterances.
    """
    available = len(corpus.utterances)
    if limit is not None and limit > available:
        raise DataError(f"the corpus {corpus.name} has {available} utterances; lower the limit of {limit}")
    return replace(corpus, utterances=_drawn(corpus, seed)[:limit])


def split(corpus: Corpus, limit: int | None, calibration: int, seed: int = 0) -> tuple[Corpus, Corpus]:
    """Disjoint parts for evaluation and calibration, in an order drawn by ``seed`` and ids alone.

    Calibration draws first, so that another limit does not change what it sees.

    Args:
        corpus: what to draw from.
        limit: utterances for evaluation; None takes all that calibration leaves.
        calibration: utterances for calibration.
        seed: another seed draws another order.

    Raises:
        DataError: too few utterances, or counts below one.
    """
    available = len(corpus.utterances)
    if calibration < 1 or (limit is not None and limit < 1):
        raise DataError(f"evaluation and calibration need at least one utterance each, got {limit} and {calibration}")
    needed = calibration + (1 if limit is None else limit)
    if needed > available:
        raise DataError(
            f"the corpus {corpus.name} has {available} utterances; {needed} are needed, {calibration} of "
            "them for calibration; lower the limit or give more recordings"
        )
    drawn = _drawn(corpus, seed)
    end = available if limit is None else calibration + limit
    return replace(corpus, utterances=drawn[calibration:end]), replace(corpus, utterances=drawn[:calibration])


def _drawn(corpus: Corpus, seed: int) -> tuple[Utterance, ...]:
    """All utterances, in the order of a seed."""
    return tuple(
        sorted(corpus.utterances, key=lambda item: hashlib.sha256(f"{seed}\0{item.id}".encode()).hexdigest())
    )
