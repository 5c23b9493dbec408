"""Recordings transcribed by a recognizer as it is, and beside it on a chip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from memrix.asr.audio import check_ends
from memrix.asr.corpus import listing
from memrix.asr.evaluation.reporting import Reporter
from memrix.asr.files import cache_dir
from memrix.asr.journal import Journal
from memrix.asr.kept import hash_of
from memrix.asr.provenance import chip_description, code_fingerprint, versions
from memrix.asr.trained_recognizers import is_trained
from memrix.asr.transcribing.settings import TranscriptionSettings
from memrix.asr.transcribing.transcriber import Transcriber, transcribed
from memrix.asr.transcribing.transcripts import Transcript, WindowsRecord
from memrix.errors import DataError, SettingsError


@dataclass(frozen=True)
class Row:
    """What one execution transcribes in one recording.

    Attributes:
        execution: of the recognizer.
        hardware: name of the chip's hardware; None where there is no chip.
        weight_bits: of low-bit weights; None in float.
        chip: seed of the chip; None where there is none.
        transcript: of the recording.
    """

    execution: Literal["float", "quantized", "chip"]
    hardware: str | None
    weight_bits: float | None
    chip: int | None
    transcript: Transcript

    def __str__(self) -> str:
        bits = "" if self.weight_bits is None else f", {self.weight_bits:g} bit"
        return f"{self.execution if self.hardware is None else self.hardware}{bits}"

    def to_dict(self) -> dict[str, Any]:
        """The row as plain data: the transcript's entries among its own."""
        transcript = self.transcript
        own = {name: value for name, value in vars(self).items() if name != "transcript"}
        return {
            **own,
            "file": transcript.file,
            "seconds": transcript.seconds,
            "processing_seconds": transcript.processing_seconds,
            "text": transcript.text,
            "segments": [asdict(segment) for segment in transcript.segments],
        }


@dataclass(frozen=True)
class TranscriptionResult:
    """Transcripts of all recordings, and all that is needed to repeat them.

    Attributes:
        rows: recording by recording, the recognizer as it is before the chip.
        problems: of recordings without a transcript.
        model: where the recognizer comes from.
        settings: of the transcription.
        hardware: the description of the chip, or None.
        versions: of memrix and of the libraries that the transcripts depend on.
    """

    rows: tuple[Row, ...]
    problems: tuple[str, ...]
    model: str
    settings: dict[str, Any]
    hardware: dict[str, Any] | None
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, for JSON."""
        return {**vars(self), "rows": [row.to_dict() for row in self.rows], "problems": list(self.problems)}


def transcribe_files(
    settings: TranscriptionSettings,
    files: Sequence[str | Path],
    *,
    reporter: Reporter | None = None,
    finished: Callable[[Sequence[Row]], None] = lambda rows: None,
    fresh: bool = False,
) -> TranscriptionResult:
    """Transcribe recordings by the recognizer as it is, and on a chip if there is hardware.

    A chip is calibrated on the beginning of these recordings. Windows of several recordings share a batch. Every
    finished batch is kept in the cache folder: the same call, interrupted and repeated, goes on where it stopped and
    gives the same text.

    Args:
        settings: recognizer and chip.
        files: audio of any length, sampling rate and number of channels.
        reporter: hears about progress.
        finished: called with the rows of each recording.
        fresh: forget what earlier calls have transcribed.

    Raises:
        DataError: files that are missing, empty, cut off or no audio: all are listed before anything is computed. A
            file that turns out to be damaged or silent later is one of the ``problems`` of the result.
        SettingsError: bits per weight that the model was not trained with.
        AssetError, CheckpointError: the model cannot be loaded.
    """
    reporter = reporter or Reporter()
    paths = require_files(files)
    transcribers = _transcribers(settings, paths, reporter)
    journals = [(each, _journal(each, paths, fresh)) for each in transcribers]
    rows: list[Row] = []
    problems: list[str] = []
    shapes = map(check_ends, paths)
    with reporter.stage("transcribing", round(sum(shape.frames / shape.rate for shape in shapes))) as advance:
        for _, found in transcribed(journals, paths, advance):
            if isinstance(found, DataError):
                problems.append(str(found))
                continue
            rows += (new := [_row(*each, settings) for each in zip(transcribers, found, strict=True)])
            finished(new)
    hardware = transcribers[-1].hardware
    return TranscriptionResult(
        rows=tuple(rows),
        problems=tuple(problems),
        model=transcribers[0].model.source,
        settings=settings.to_dict(),
        hardware=None if hardware is None else hardware.to_dict(),
        versions=versions(),
    )


def _transcribers(settings: TranscriptionSettings, paths: Sequence[Path], reporter: Reporter) -> list[Transcriber]:
    """The recognizer as it is, and on a chip, as far as settings want them."""
    with reporter.stage("loading", 1) as advance:
        # Of several recognizers, bits say which one; of one they are those of the chip.
        bits = settings.weight_bits if is_trained(settings.model) else None
        digital = Transcriber.open(settings.model, weight_bits=bits, batch_size=settings.batch_size)
        advance(1)
    trained, asked = digital.weight_bits, settings.weight_bits
    if trained is not None and asked is not None and asked != trained:
        raise SettingsError(
            f"{settings.model} was trained with weights of {trained:g} bits, and weight_bits is {asked:g}; leave it "
            "out, or give a model of these bits"
        )
    transcribers = [] if settings.chip_only else [digital]
    if settings.chip is not None:
        with reporter.stage("calibrating and programming", 1) as advance:
            # The total is known only once the first cells are written, so progress goes by share.
            chip = digital.on_chip(
                settings.chip, paths, seed=settings.seed, progress=lambda written, cells, _: advance(written / cells)
            )
        transcribers.append(chip)
    return transcribers


def require_files(files: Iterable[str | Path]) -> list[Path]:
    """The paths of recordings; header and end of each are read.

    Raises:
        DataError: no file, a file that is given twice, or files that cannot be read: all are listed.
    """
    paths = [Path(file) for file in files]
    if not paths:
        raise DataError("there is nothing to transcribe; name audio files")
    problems = [f"{path} is given {count} times" for path, count in Counter(paths).items() if count > 1]
    for path in dict.fromkeys(paths):
        try:
            check_ends(path)
        except DataError as error:
            problems.append(str(error))
    if len(problems) == 1:
        raise DataError(problems[0])
    if problems:
        raise DataError(f"{len(problems)} files cannot be transcribed:{listing(problems)}")
    return paths


def _journal(transcriber: Transcriber, paths: Sequence[Path], fresh: bool) -> Journal[WindowsRecord]:
    """What is kept of these recordings: another journal for anything else that transcripts depend on."""
    description = {
        "recordings": [[str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns] for path in paths],
        "model": transcriber.model.source,
        "batch_size": transcriber.batch_size,
        "decoding": transcriber.model.words_by and transcriber.model.words_by.fingerprint,
        "chip": chip_description(transcriber.hardware),
        "seed": transcriber.seed,
        "versions": versions(),
        "code": code_fingerprint(),
    }
    folder = cache_dir() / "transcriptions"
    folder.mkdir(exist_ok=True)
    return Journal(folder / f"{hash_of(description)}.jsonl", WindowsRecord, fresh=fresh)


def _row(transcriber: Transcriber, transcript: Transcript, settings: TranscriptionSettings) -> Row:
    bits, on_chip = transcriber.weight_bits, transcriber.hardware is not None
    return Row(
        execution="chip" if on_chip else "float" if bits is None else "quantized",
        hardware=settings.hardware_name if on_chip else None,
        weight_bits=bits,
        chip=settings.seed if on_chip else None,
        transcript=transcript,
    )
