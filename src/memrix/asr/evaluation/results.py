"""What an evaluation measured: rows of executions, their summary over chips, and JSON."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from memrix.asr.alignment import Edits, count_edits
from memrix.asr.evaluation.records import BatchRecord, Execution, UtteranceRecord
from memrix.asr.files import make_folder, write_whole
from memrix.asr.scoring import compare, intervals_described, resampled, wer_interval, word_error_rate
from memrix.asr.text import normalize
from memrix.toolkit import former_names

RESAMPLES = 2000
"""Draws of each interval: a table has hundreds of them."""

Measured = Sequence[Sequence[BatchRecord]]
"""Batches of each of several chips, or of one execution, all in the same order."""


@dataclass(frozen=True)
class Difference:
    """How a word error rate compares with that of a baseline on the same utterances; shares, 0.04 is 4 %.

    Attributes:
        absolute: rate minus that of the baseline.
        absolute_interval: of it, paired, 95 %.
        relative: the same as a share of the baseline's rate; None where that is 0.
        relative_interval: of it; None where an end is infinite.
    """

    absolute: float
    absolute_interval: tuple[float, float]
    relative: float | None
    relative_interval: tuple[float, float] | None


@dataclass(frozen=True)
class Row:
    """Figures of one execution over all evaluated utterances, or the mean over chips; shares, 0.04 is 4 %.

    Attributes:
        execution: "float", "quantized" or "chip".
        hardware: name of the kind of chip; None where there is none.
        weight_bits: None in float.
        chip: number of the chip; None where there is none, and for several.
        chips: how many the figures are the mean of; 0 where there is none.
        wer: word errors over reference words.
        wer_interval: 95 % interval, by ``memrix.asr.scoring.wer_interval``.
        resampled: what all intervals were taken over.
        deviation, lowest, highest: of the word error rates of several chips.
        over_float: compared with the float model; None for itself.
        over_quantized: compared with the same network quantized digitally; None for digital ones.
        label_error_rate: without a language model; None for a model without such labels.
        loss: on the reference text, nats per token or label.
        output_error: norm of the deviation of the encoded speech from float, over the norm in float.
        clipped: share of analog-to-digital conversions that clipped; None unless on a chip.
        cells: memristors of a chip; None unless on a chip.
        seconds_per_audio_second: time of encoding and transcription over the duration of the audio.
        words: of the references.
        errors: substitutions, deletions and insertions.
        utterances: how many were evaluated.
        costs: of an utterance on the first chip: ``energy`` in J, ``latency`` in s, ``area`` in m2, and what else
            ``memrix.costs`` counts of a whole chip; None where it was not counted.
    """

    execution: Literal["float", "quantized", "chip"]
    hardware: str | None
    weight_bits: float | None
    chip: int | None
    chips: int
    wer: float
    wer_interval: tuple[float, float]
    resampled: str
    deviation: float | None
    lowest: float | None
    highest: float | None
    over_float: Difference | None
    over_quantized: Difference | None
    label_error_rate: float | None
    loss: float
    output_error: float
    clipped: float | None
    cells: int | None
    seconds_per_audio_second: float
    words: int
    errors: float
    utterances: int
    costs: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        if self.chips > 1:
            return f"{self.hardware}, {self.weight_bits:g} bit"
        return str(Execution(self.execution, self.weight_bits, self.chip, self.hardware or ""))


def summarize(
    execution: Execution,
    measured: Measured,
    floating: Sequence[BatchRecord],
    quantized: Sequence[BatchRecord] | None = None,
) -> Row:
    """The row of an execution, or the mean over several chips.

    Args:
        execution: the first one, if they are several.
        measured: its batches, or those of each chip.
        floating: batches of the float model.
        quantized: batches of the same network quantized digitally; for chips.
    """
    chips = [_utterances(batches) for batches in measured]
    words = [utterance.words for utterance in chips[0]]
    errors = [[utterance.errors for utterance in utterances] for utterances in chips]  # [chips, utterances]
    rates = [word_error_rate(counts, words) for counts in errors]
    on_chip, several = execution.kind == "chip", len(chips) > 1
    everyone = [utterance for utterances in chips for utterance in utterances]
    conversions = sum(batch.conversions for batches in measured for batch in batches)
    clipped = sum(batch.clipped for batches in measured for batch in batches)
    labels = sum(utterance.labels for utterance in everyone)
    return Row(
        execution=execution.kind,
        hardware=execution.hardware or None,
        weight_bits=execution.weight_bits,
        chip=None if several else execution.chip,
        chips=len(chips) if on_chip else 0,
        wer=statistics.mean(rates),
        wer_interval=wer_interval(errors, words),
        resampled=resampled(execution.kind, len(chips)),
        deviation=statistics.stdev(rates) if several else None,
        lowest=min(rates) if several else None,
        highest=max(rates) if several else None,
        over_float=None if execution.kind == "float" else _difference(errors, floating, words),
        over_quantized=None if quantized is None else _difference(errors, quantized, words),
        label_error_rate=sum(u.label_errors for u in everyone) / labels if labels else None,
        loss=math.fsum(u.nll for u in everyone) / max(sum(u.tokens for u in everyone), 1),
        output_error=math.sqrt(
            math.fsum(u.error_energy for u in everyone) / math.fsum(u.float_energy for u in everyone)
        ),
        clipped=clipped / conversions if on_chip and conversions else None,
        cells=measured[0][0].cells if on_chip else None,
        seconds_per_audio_second=math.fsum(batch.seconds for batches in measured for batch in batches)
        / math.fsum(u.seconds for u in everyone),
        words=sum(words),
        errors=statistics.mean(sum(counts) for counts in errors),
        utterances=len(words),
    )


def _difference(errors: Sequence[Sequence[int]], baseline: Sequence[BatchRecord], words: Sequence[int]) -> Difference:
    counts = [utterance.errors for utterance in _utterances(baseline)]
    found = compare(errors, counts, words, resamples=RESAMPLES)
    ends = found.relative_interval
    return Difference(
        absolute=found.difference,
        absolute_interval=found.difference_interval,
        relative=found.relative if sum(counts) else None,
        relative_interval=ends if sum(counts) and all(map(math.isfinite, ends)) else None,
    )


def _utterances(batches: Sequence[BatchRecord]) -> list[UtteranceRecord]:
    return [utterance for batch in batches for utterance in batch.utterances]


@dataclass(frozen=True)
class Transcript:
    """What each execution heard in one utterance, or in a window of joined ones.

    Attributes:
        id: of the utterance, or of the first of a window.
        reference: what was said.
        words: of the reference.
        heard: transcripts, by the executions of ``rows`` as they are printed, such as "physical, 3 bit, chip 0".
        errors: of each, in words.
        edits: the same by kind.
    """

    id: str
    reference: str
    words: int
    heard: Mapping[str, str]
    errors: Mapping[str, int]
    edits: Mapping[str, Edits]


def transcripts_of(measured: Mapping[Execution, Sequence[BatchRecord]]) -> tuple[Transcript, ...]:
    """The transcripts of all executions side by side; their batches are in the same order."""
    alone = {str(execution): _utterances(batches) for execution, batches in measured.items()}
    scored = cache(lambda text: normalize(text).split())  # executions often agree
    return tuple(
        Transcript(
            records[0].id,
            records[0].reference,
            records[0].words,
            {name: record.hypothesis for name, record in zip(alone, records, strict=True)},
            {name: record.errors for name, record in zip(alone, records, strict=True)},
            {
                name: count_edits(scored(record.reference), scored(record.hypothesis))
                for name, record in zip(alone, records, strict=True)
            },
        )
        for records in zip(*alone.values(), strict=True)
    )


@dataclass(frozen=True)
class EvaluationResult:
    """Rows of an evaluation, and all that is needed to repeat it.

    Attributes:
        rows: one for each execution.
        summary: of float, the quantized networks, and the mean over chips of each hardware at each number of bits.
        model: where the recognizer comes from.
        corpus: name, source, fingerprint; utterances and words evaluated; what was skipped.
        settings: of the evaluation.
        hardware: descriptions of the chips by their names.
        versions: of memrix and of the libraries that the figures depend on.
        low_bit: where the recognizers that were trained with low-bit weights come from, by their bits.
        decoding: scales of the search and its language model; None for a model that needs none.
        transcripts: of every utterance, by each execution.
    """

    rows: tuple[Row, ...]
    summary: tuple[Row, ...]
    model: str
    corpus: Mapping[str, Any]
    settings: Mapping[str, Any]
    hardware: Mapping[str, Any]
    versions: Mapping[str, str]
    low_bit: Mapping[str, str] = field(default_factory=dict)
    decoding: Mapping[str, Any] | None = None
    transcripts: tuple[Transcript, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, for JSON, with what its intervals contain."""
        plain: dict[str, Any] = json.loads(json.dumps({**asdict(self), "intervals": intervals_described()}))
        return plain

    def save(self, path: Path) -> None:
        """Write JSON; the file appears complete or not at all.

        Raises:
            DataError: the file cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        make_folder(path.parent)
        write_whole(path, f"{text}\n".encode())


__getattr__ = former_names(__name__, {"summarise": "summarize"})
