"""What one execution made of one batch, as it is kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from memrix.asr.kept import Count, Seconds, Text


@dataclass(frozen=True)
class Execution:
    """One way to run the network: in float, quantized digitally, or on a chip.

    Attributes:
        kind: which of them.
        weight_bits: None in float.
        chip: number of the chip; None where there is none.
        hardware: name of the kind of chip; empty where there is none.
    """

    kind: Literal["float", "quantized", "chip"]
    weight_bits: float | None = None
    chip: int | None = None
    hardware: str = ""

    def __str__(self) -> str:
        if self.kind == "float":
            return "float"
        if self.kind == "quantized":
            return f"quantized, {self.weight_bits:g} bit"
        return f"{self.hardware}, {self.weight_bits:g} bit, chip {self.chip}"


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
        tokens: tokens or labels of the reference.
        error_energy: squared difference of the encoded speech to that of the float model, summed.
        float_energy: squared encoded speech of the float model, summed.
        seconds: duration of the audio.
        label_errors: errors of the labels of a CTC model, without a language model.
        labels: of the reference; 0 for a model that has none.
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
    label_errors: Count = 0
    labels: Count = 0


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
