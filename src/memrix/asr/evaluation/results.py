"""What an evaluation measured: records of batches, and the rows and figures they add up to."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, TypeAdapter

from memrix.asr.files import write_whole
from memrix.asr.kept import Count, Seconds, Text, validated
from memrix.asr.scoring import (
    intervals_described,
    paired_difference_interval,
    resampled,
    wer_interval,
    word_error_rate,
)
from memrix.errors import DataError
from memrix.toolkit import former_names


@dataclass(frozen=True)
class Execution:
    """One way to run the network: in float, quantized digitally, or on a chip."""

    kind: Literal["float", "quantized", "chip"]
    weight_bits: Annotated[int, Field(ge=1, le=64)] | None = None
    chip: Count | None = None

    def __str__(self) -> str:
        if self.kind == "float":
            return "float"
        where = "quantized" if self.kind == "quantized" else f"chip {self.chip}"
        return f"{where}, {self.weight_bits} bit"


@dataclass(frozen=True)
class UtteranceRecord:
    """What one execution made of one utterance.

    Attributes:
        id: of the utterance.
        reference: the transcript.
        hypothesis: what was recognized.
        errors: word errors of the hypothesis.
        words: words of the reference.
        nll: negative log likelihood of the reference in nats.
        tokens: tokens of the reference, with the end of text.
        error_energy: squared difference of the encoder output to that of the float model, summed.
        float_energy: squared encoder output of the float model, summed.
        seconds: duration of the audio.
    """

    id: Text
    reference: Text
    hypothesis: Text
    errors: Count
    words: Count
    nll: FiniteFloat
    tokens: Count
    error_energy: Annotated[FiniteFloat, Field(ge=0)]
    float_energy: Annotated[FiniteFloat, Field(ge=0)]
    seconds: Seconds


@dataclass(frozen=True)
class BatchRecord:
    """What one execution made of one batch.

    Attributes:
        index: number of the batch in the order of evaluation.
        cells: memristors of the chip; 0 where there is none.
        seconds: time that encoding and transcription took.
        conversions: analog-to-digital conversions of encoding and transcription.
        clipped: those of them that hit the end of the converter's range.
        utterances: one record each.
    """

    index: Count
    cells: Count
    seconds: Seconds
    conversions: Count
    clipped: Count
    utterances: tuple[UtteranceRecord, ...]

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BatchRecord:
        """The record from what `to_dict` gave, or JSON made of it.

        Raises:
            ValueError: fields that are missing, of another type or out of range.
        """
        return validated(_BATCH, data)


_BATCH = TypeAdapter(BatchRecord)


@dataclass(frozen=True)
class Row:
    """Figures of one execution over all evaluated utterances.

    Attributes:
        execution: "float", "quantized" or "chip".
        weight_bits: None in float.
        chip: number of the chip; None where there is none.
        wer: word errors over reference words.
        wer_interval: 95 % interval, by ``memrix.asr.scoring.wer_interval``.
        difference_interval: 95 % interval of the WER minus that in float, over the same utterances; None
            in float.
        resampled: what both were taken over.
        relative_degradation: (WER - float WER) / float WER; None if the float WER is 0.
        loss: teacher-forced loss on the reference text, nats per token.
        encoder_error: norm of the encoder output's deviation from float, over the norm in float.
        clipped: share of analog-to-digital conversions that clipped; None unless on a chip.
        cells: memristors of the chip; None unless on a chip.
        seconds_per_audio_second: time of encoding and transcription over the duration of the audio.
        words: of the references.
        errors: substitutions, deletions and insertions.
        utterances: how many were evaluated.
    """

    execution: Literal["float", "quantized", "chip"]
    weight_bits: int | None
    chip: int | None
    wer: float
    wer_interval: tuple[float, float]
    difference_interval: tuple[float, float] | None
    resampled: str
    relative_degradation: float | None
    loss: float
    encoder_error: float
    clipped: float | None
    cells: int | None
    seconds_per_audio_second: float
    words: int
    errors: int
    utterances: int


def summarize(execution: Execution, batches: Sequence[BatchRecord], baseline: Sequence[BatchRecord]) -> Row:
    """The row of an execution; ``baseline`` are the batches of the float model, in the same order."""
    utterances = _utterances(batches)
    errors = [utterance.errors for utterance in utterances]
    words = [utterance.words for utterance in utterances]
    float_errors = [utterance.errors for utterance in _utterances(baseline)]
    wer = word_error_rate(errors, words)
    float_wer = word_error_rate(float_errors, words)
    on_chip = execution.kind == "chip"
    conversions = sum(batch.conversions for batch in batches)
    return Row(
        execution=execution.kind,
        weight_bits=execution.weight_bits,
        chip=execution.chip,
        wer=wer,
        wer_interval=wer_interval(errors, words),
        difference_interval=(
            None if execution.kind == "float" else paired_difference_interval(errors, float_errors, words)
        ),
        resampled=resampled(execution.kind),
        relative_degradation=(wer - float_wer) / float_wer if float_wer else None,
        loss=math.fsum(u.nll for u in utterances) / sum(u.tokens for u in utterances),
        encoder_error=math.sqrt(
            math.fsum(u.error_energy for u in utterances) / math.fsum(u.float_energy for u in utterances)
        ),
        clipped=sum(batch.clipped for batch in batches) / conversions if on_chip and conversions else None,
        cells=batches[0].cells if on_chip else None,
        seconds_per_audio_second=math.fsum(batch.seconds for batch in batches)
        / math.fsum(u.seconds for u in utterances),
        words=sum(words),
        errors=sum(errors),
        utterances=len(utterances),
    )


@dataclass(frozen=True)
class ChipMean:
    """Word error rate of several chips of the same bits.

    Attributes:
        weight_bits: of their weights.
        chips: how many.
        wer: mean over chips.
        deviation, lowest, highest: over chips.
        wer_interval: 95 % interval of the mean, over utterances and chips.
        difference_interval: the same of the mean minus the WER in float, over the same utterances.
        resampled: what both were taken over.
        relative_degradation: (WER - float WER) / float WER; None if the float WER is 0.
    """

    weight_bits: int
    chips: int
    wer: float
    deviation: float
    lowest: float
    highest: float
    wer_interval: tuple[float, float]
    difference_interval: tuple[float, float]
    resampled: str
    relative_degradation: float | None

    def __str__(self) -> str:
        return f"{self.chips} chips, {self.weight_bits} bit"


def mean_of_chips(bits: int, chips: Sequence[Sequence[BatchRecord]], baseline: Sequence[BatchRecord]) -> ChipMean:
    """The mean of several chips; ``baseline`` are the batches of the float model, all in the same order."""
    words = [utterance.words for utterance in _utterances(baseline)]
    float_errors = [utterance.errors for utterance in _utterances(baseline)]
    errors = [[utterance.errors for utterance in _utterances(batches)] for batches in chips]  # [chips, utterances]
    rates = [word_error_rate(row, words) for row in errors]
    wer, float_wer = statistics.mean(rates), word_error_rate(float_errors, words)
    return ChipMean(
        weight_bits=bits,
        chips=len(chips),
        wer=wer,
        deviation=statistics.stdev(rates),
        lowest=min(rates),
        highest=max(rates),
        wer_interval=wer_interval(errors, words),
        difference_interval=paired_difference_interval(errors, float_errors, words),
        resampled=resampled("chip", len(chips)),
        relative_degradation=(wer - float_wer) / float_wer if float_wer else None,
    )


def _utterances(batches: Sequence[BatchRecord]) -> list[UtteranceRecord]:
    return [utterance for batch in batches for utterance in batch.utterances]


@dataclass(frozen=True)
class EvaluationResult:
    """Rows of an evaluation, and all that is needed to repeat it.

    Attributes:
        rows: one for each execution.
        model: where the recognizer comes from.
        corpus: name, source, fingerprint; utterances, words and seconds evaluated; what was skipped.
        settings: of the evaluation.
        hardware: the description of the chip.
        versions: of memrix and of the libraries that the figures depend on.
        means: over chips at each number of bits, where there are several.
    """

    rows: tuple[Row, ...]
    model: str
    corpus: Mapping[str, Any]
    settings: Mapping[str, Any]
    hardware: Mapping[str, Any]
    versions: Mapping[str, str]
    means: tuple[ChipMean, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, for JSON, with what its intervals contain."""
        plain: dict[str, Any] = json.loads(json.dumps({**asdict(self), "intervals": intervals_described()}))
        return plain

    def save(self, path: Path) -> None:
        """Write JSON; the file appears complete or not at all.

        Raises:
            DataError: the file cannot be written.
        """
        write_atomically(path, json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Replace a file by ``text`` in one step; its folder is made if need be.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror or error}); name a file that can") from error


__getattr__ = former_names(__name__, {"summarise": "summarize"})
