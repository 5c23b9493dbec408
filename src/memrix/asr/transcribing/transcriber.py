"""A recognizer that transcribes files: in float, with low-bit weights, or on a chip."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import memrix
from memrix import Hardware
from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.chips import as_trained
from memrix.asr.speech_model import Example, SpeechBatch, SpeechModel
from memrix.asr.transcribing.journal import Journal
from memrix.asr.transcribing.models import open_writer
from memrix.asr.transcribing.transcripts import Segment, Transcript
from memrix.asr.transcribing.windows import AudioWindow, windows_of
from memrix.errors import DataError, SettingsError

CALIBRATION_WINDOWS = 8
_SHORTEST = round(0.1 * SAMPLE_RATE)  # samples of a window; a shorter one is padded with silence


@dataclass(frozen=True)
class Transcriber:
    """Transcribes recordings of any length, window by window.

    Attributes:
        model: in float, quantized, or on a chip; in evaluation mode.
        hardware: of a chip, or None.
        seed: of the read noise of a chip. A recording gives the same text whatever was transcribed before it.
        batch_size: windows that are transcribed at a time.
        decoding: hash of how a CTC recognizer finds words; empty for others.
    """

    model: SpeechModel
    hardware: Hardware | None = None
    seed: int = 0
    batch_size: int = 4
    decoding: str = ""

    @classmethod
    def open(
        cls, model: str | Path = "whisper-tiny.en", *, weight_bits: float | None = None, batch_size: int = 4
    ) -> Transcriber:
        """A recognizer by name, as it is: in float, or quantized.

        Args:
            model: ``whisper-tiny.en``, a Whisper model of the Hugging Face hub, a folder that holds one, a file that
                `memrix train` or `memrix pack` wrote, ``queen-small``, or a folder that `memrix experiment
                --save-trained` wrote.
            weight_bits: which of several recognizers it is, as in ``queen-small``; None for that in float.
            batch_size: windows that are transcribed at a time.

        Raises:
            AssetError: there is no such model, or it is no speech model.
            CheckpointError: the file holds no recognizer that writes words.
            SettingsError: there is none of so many bits.
        """
        found = open_writer(str(model), weight_bits)
        return cls(found.model.eval(), batch_size=batch_size, decoding=found.decoding)

    @property
    def weight_bits(self) -> float | None:
        """Bits of low-bit weights; None in float."""
        if self.hardware is not None:
            return self.hardware.weight_bits
        known = self.model.description.get("hardware")
        return None if known is None else float(known["weight_bits"])

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
        hardware = self._with_trained_bits(hardware)
        choice = self.model.chip_choice(hardware)
        network = copy.deepcopy(self.model.network)
        if not all(layer.calibrated for layer in memrix.check(network, choice).layers):
            inputs = [self.model.calibration_inputs(batch) for batch in self._said(calibration)]
            memrix.calibrate(network, inputs, choice, keep_ranges=self.model.is_low_bit)
        chip = memrix.program(network, choice, seed=seed, inplace=True, progress=progress)
        return replace(self, model=self.model.with_network(chip), hardware=hardware, seed=seed)

    def transcribe(
        self,
        path: str | Path,
        progress: Callable[[float], None] = lambda seconds: None,
        journal: Journal | None = None,
    ) -> Transcript:
        """What is said in a recording.

        Args:
            path: of an audio file, of any length, sampling rate and number of channels.
            progress: called with the seconds of audio that are done.
            journal: of what an interrupted call has transcribed in this recording; what it holds is not done again.

        Raises:
            DataError: the file cannot be read, is damaged, empty or silent.
            ConversionError: the recognizer gives numbers that are not finite.
        """
        journal = journal or Journal(None)
        segments: list[Segment] = []
        spent = 0.0
        for windows in batched(windows_of(Path(path)), self.batch_size):
            done = journal.batch(windows[0].index)
            if done is None:
                begin = time.perf_counter()
                found = self.segments(windows)
                done = found, time.perf_counter() - begin
                journal.append(windows[0].index, *done)
            segments += done[0]
            spent += done[1]
            progress(windows[-1].end)
        return Transcript(str(path), tuple(segments), spent)

    @torch.no_grad()
    def segments(self, windows: Sequence[AudioWindow]) -> list[Segment]:
        """What is said in windows of one recording; nothing where they are silent."""
        spoken = [window for window in windows if not window.silent]
        texts: dict[int, str] = {}
        if spoken:
            if self.hardware is not None:
                memrix.reseed(self.model.network, read=self._read_seed(windows[0].index))
            batch = _batch(self.model, spoken)
            found = self.model.transcribe(batch, self.model.encode(batch))
            texts = {window.index: text for window, text in zip(spoken, found, strict=True)}
        return [Segment(window.start, window.end, texts.get(window.index, "")) for window in windows]

    def _read_seed(self, window: int) -> int:
        sequence = np.random.SeedSequence(self.seed, spawn_key=(window,))
        return int(sequence.generate_state(1)[0])

    def _with_trained_bits(self, hardware: Hardware) -> Hardware:
        if not self.model.is_low_bit:
            return hardware
        trained: dict[str, Any] = self.model.description["hardware"]
        return as_trained(self.model, hardware).replace(weight_bits=trained["weight_bits"])

    def _said(self, recordings: Iterable[str | Path]) -> Iterator[SpeechBatch]:
        """Windows of recordings, the first of each before the second, with what this recognizer finds in them."""
        found = list(islice(_taking_turns([windows_of(Path(path)) for path in recordings]), CALIBRATION_WINDOWS))
        for windows in batched(found, self.batch_size):
            yield _batch(self.model, windows, [segment.text for segment in self.segments(windows)])


def _batch(model: SpeechModel, windows: Sequence[AudioWindow], texts: Sequence[str] | None = None) -> SpeechBatch:
    texts = [""] * len(windows) if texts is None else texts
    return SpeechBatch.of([_example(model, window, text) for window, text in zip(windows, texts, strict=True)])


def _example(model: SpeechModel, window: AudioWindow, text: str) -> Example:
    audio = torch.from_numpy(np.pad(window.audio, (0, max(0, _SHORTEST - len(window.audio)))))
    targets: Tensor = torch.tensor(_targets(model, text), dtype=torch.long)
    hidden = torch.zeros(0, model.bins, dtype=torch.bool)
    return Example(f"the window from {window.start:.1f} s", text, audio, targets, hidden)


def _targets(model: SpeechModel, text: str) -> list[int]:
    """Those of a text, or of its beginning: what was written token by token may take more tokens anew."""
    while True:
        try:
            return model.targets(text)
        except DataError:
            if not text:
                raise
            text = text[: len(text) // 2]


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
