"""A recognizer that transcribes files: in float, with low-bit weights, or on a chip."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

import memrix
from memrix import Hardware
from memrix.asr.chips import as_trained, on_chip
from memrix.asr.evaluation.batches import batch_of, inputs_of
from memrix.asr.evaluation.opening import open_writer
from memrix.asr.journal import Journal
from memrix.asr.speech_model import SpeechModel
from memrix.asr.transcribing.transcripts import Segment, Transcript, WindowsRecord
from memrix.asr.transcribing.windows import AudioWindow, windows_of
from memrix.errors import DataError, SettingsError

CALIBRATION_WINDOWS = 8


@dataclass(frozen=True)
class Transcriber:
    """Transcribes recordings of any length, window by window.

    Attributes:
        model: in float, quantized, or on a chip; in evaluation mode.
        hardware: of a chip, or None.
        seed: of the read noise of a chip. The same recordings give the same text whatever was transcribed before.
        batch_size: windows that are transcribed at a time.
    """

    model: SpeechModel
    hardware: Hardware | None = None
    seed: int = 0
    batch_size: int = 4

    @classmethod
    def open(
        cls, model: str | Path = "whisper-tiny.en", *, weight_bits: float | None = None, batch_size: int = 4
    ) -> Transcriber:
        """A recognizer by name, as it is: in float, or quantized.

        Args:
            model: as for ``memrix.asr.evaluation.opening.open_writer``, with the same errors.
            weight_bits: which of several recognizers it is, as in ``queen-small``; None for that in float.
            batch_size: windows that are transcribed at a time.
        """
        return cls(open_writer(str(model), weight_bits).eval(), batch_size=batch_size)

    @property
    def weight_bits(self) -> float | None:
        """Bits of low-bit weights; None in float."""
        return self.model.weight_bits if self.hardware is None else self.hardware.weight_bits

    def on_chip(
        self,
        hardware: Hardware,
        calibration: Iterable[str | Path],
        *,
        seed: int = 0,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> Transcriber:
        """The same recognizer, programmed onto a chip.

        A model that was trained with low-bit weights keeps its integers: the chip has its bits.

        Args:
            hardware: the chip.
            calibration: recordings that activation ranges and calibration samples come from, with what this
                recognizer transcribes in them: up to 8 windows. They may be those that are to be transcribed.
            seed: of the chip, its programming, and its read noise.
            progress: of programming, as ``memrix.program`` calls it.

        Raises:
            DataError: a recording cannot be read, or there is none.
            SettingsError: this recognizer runs on a chip already.
        """
        if self.hardware is not None:
            raise SettingsError("this recognizer runs on a chip already; program the one that it was made from")
        hardware = as_trained(self.model, hardware)
        chip = on_chip(self.model, hardware, self._inputs(calibration), seed=seed, progress=progress)
        return replace(self, model=chip, hardware=hardware, seed=seed)

    def transcribe(self, path: str | Path, progress: Callable[[float], None] = lambda seconds: None) -> Transcript:
        """What is said in a recording.

        Args:
            path: of an audio file, of any length, sampling rate and number of channels.
            progress: called with the seconds of audio that are done.

        Raises:
            DataError: the file cannot be read, is damaged, empty or silent.
            ConversionError: the recognizer gives numbers that are not finite.
        """
        ((_, found),) = transcribed([(self, Journal(None, WindowsRecord))], [Path(path)], progress)
        if isinstance(found, DataError):
            raise found
        return found[0]

    def record(self, windows: Sequence[AudioWindow]) -> WindowsRecord:
        """What is said in a batch of windows, and the time that it took."""
        begin = time.perf_counter()
        segments = tuple(self.segments(windows))
        return WindowsRecord(windows[0].index, segments, time.perf_counter() - begin)

    @torch.no_grad()
    def segments(self, windows: Sequence[AudioWindow]) -> list[Segment]:
        """What is said in windows; nothing where they are silent."""
        spoken = [window for window in windows if not window.silent]
        texts: dict[int, str] = {}
        if spoken:
            if self.hardware is not None:
                sequence = np.random.SeedSequence(self.seed, spawn_key=(windows[0].index,))
                memrix.reseed(self.model.network, read=int(sequence.generate_state(1)[0]))
            batch = batch_of(self.model, spoken, written=False)
            found = self.model.transcribe(batch, self.model.encode(batch))
            texts = {window.index: text for window, text in zip(spoken, found, strict=True)}
        return [Segment(window.start, window.end, texts.get(window.index, "")) for window in windows]

    def _inputs(self, recordings: Iterable[str | Path]) -> Iterator[Any]:
        """Windows of recordings, the first of each before the second, with what this recognizer finds in them."""
        found = islice(_taking_turns([windows_of(Path(path)) for path in recordings]), CALIBRATION_WINDOWS)
        for windows in batched(found, self.batch_size):
            texts = [segment.text for segment in self.segments(windows)]
            yield inputs_of(
                self.model,
                [replace(window, text=self._fitting(text)) for window, text in zip(windows, texts, strict=True)],
            )

    def _fitting(self, text: str) -> str:
        """A text, or its beginning: what was written token by token may take more tokens anew."""
        while self.model.has_encoder and text:
            try:
                self.model.targets(text)
                break
            except DataError:
                text = text[: len(text) // 2]
        return text


def transcribed(
    journals: Sequence[tuple[Transcriber, Journal[WindowsRecord]]],
    paths: Sequence[Path],
    progress: Callable[[float], None] = lambda seconds: None,
) -> Iterator[tuple[Path, list[Transcript] | DataError]]:
    """Transcripts of each recording by several transcribers, or what is wrong with it, once they are complete.

    Windows of recordings that follow each other share a batch: short ones do not wait for each other.

    Args:
        journals: transcribers, and what interrupted calls for the same recordings have kept, which is not done again.
        paths: of different audio files.
        progress: called with the seconds of audio that are done by all of them.
    """
    parts: dict[Path, list[list[tuple[Segment, float]]]] = {path: [[] for _ in journals] for path in paths}
    problems: dict[Path, DataError] = {}
    seconds, waiting = 0.0, list(paths)

    def complete(until: Path | None) -> Iterator[tuple[Path, list[Transcript] | DataError]]:
        while waiting and waiting[0] != until:
            path = waiting.pop(0)
            found = [Transcript(str(path), *_summed(each)) for each in parts.pop(path)]
            yield path, problems.get(path, found)

    for windows in batched(_windows(paths, problems), journals[0][0].batch_size):
        for number, (transcriber, journal) in enumerate(journals):
            if windows[0].index not in journal.batches:
                journal.append(transcriber.record(windows))
            kept = journal.batches[windows[0].index]
            for window, segment in zip(windows, kept.segments, strict=True):
                parts[window.path][number].append((segment, kept.seconds / len(windows)))
        seconds += sum(window.duration() for window in windows)
        progress(seconds)
        yield from complete(windows[-1].path)
    yield from complete(None)


def _summed(parts: Sequence[tuple[Segment, float]]) -> tuple[tuple[Segment, ...], float]:
    return tuple(segment for segment, _ in parts), sum(seconds for _, seconds in parts)


def _windows(paths: Iterable[Path], problems: dict[Path, DataError]) -> Iterator[AudioWindow]:
    """Windows of recordings, numbered through; what is wrong with a recording is noted, and the next one begun."""
    index = 0
    for path in paths:
        try:
            for window in windows_of(path, index):
                yield window
                index = window.index + 1
        except DataError as error:
            problems[path] = error


def _taking_turns(recordings: Sequence[Iterator[AudioWindow]]) -> Iterator[AudioWindow]:
    waiting = list(recordings)
    while waiting:
        for windows in list(waiting):
            window = next(windows, None)
            if window is None:
                waiting.remove(windows)
            elif not window.silent:
                yield window


def batched(windows: Iterable[AudioWindow], size: int) -> Iterator[list[AudioWindow]]:
    """Windows in lists of ``size``, the last one of what is left."""
    each = iter(windows)
    while taken := list(islice(each, size)):
        yield taken
