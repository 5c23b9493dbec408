"""One system of an experiment: a recognizer in float, quantized or on a chip, and what it made of the test split."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from lhotse import CutSet
from pydantic import Field, TypeAdapter
from torch import Tensor

import memrix
from memrix import Hardware
from memrix.asr.files import write_whole
from memrix.asr.former import present_execution
from memrix.asr.kept import Count, Seconds, Share, Text, parse_kept, validated, with_hash
from memrix.asr.recognizer import Recognizer
from memrix.asr.recognizer_files import chip_choice
from memrix.asr.scoring import count_label_errors
from memrix.asr.search.beam import BeamSearch
from memrix.asr.search.greedy import greedy_labels
from memrix.asr.training.calibration import calibrate_recognizer
from memrix.asr.transcription import emissions
from memrix.errors import DataError

_MEASURE_AGAIN = "remove it to measure again"
_CALIBRATION_SECONDS, _CALIBRATION_BATCHES = 60.0, 4

Kind = Literal["float", "quantized", "chip"]


@dataclass(frozen=True)
class System:
    """Which recognizer, and what it runs on.

    Attributes:
        kind: in float, with fake quantizers, or on a chip.
        bits: of its weights; None in float.
        variant: name of the kind of chip; empty where there is none.
        chip: number of the chip.
    """

    kind: Kind
    bits: Annotated[int, Field(ge=1, le=64)] | Annotated[float, Field(gt=0, le=64)] | None = None
    variant: Text = ""
    chip: Count = 0

    def __str__(self) -> str:
        if self.kind == "float":
            return "float"
        if self.kind == "quantized":
            return f"quantized, {self.bits:g} bit"
        return f"{self.variant}, {self.bits:g} bit, chip {self.chip}"


@dataclass(frozen=True)
class Measurement:
    """What a system made of every utterance.

    Attributes:
        system: that was measured.
        ids: of the utterances.
        errors, words: word errors and reference words of each, by beam search.
        label_errors, labels: the same of labels, by greedy search, summed.
        hypotheses: transcripts.
        cells: of the chip.
        clipped: share of its conversions that were beyond the range.
        seconds: that programming and running took.
    """

    system: System
    ids: tuple[Text, ...]
    errors: tuple[Count, ...]
    words: tuple[Count, ...]
    label_errors: Count
    labels: Count
    hypotheses: tuple[Text, ...]
    cells: Count
    clipped: Share
    seconds: Seconds

    def save(self, path: Path, key: str) -> None:
        """Keep the measurement; ``key`` says what it depends on."""
        write_whole(path, json.dumps(with_hash({"key": key, **asdict(self)}), indent=1).encode())

    @classmethod
    def load(cls, path: Path, key: str) -> Measurement | None:
        """The measurement that was kept, or None where there is none of this key with its hash.

        Raises:
            DataError: the file is damaged.
        """
        if not path.is_file():
            return None
        try:
            table, is_whole = parse_kept(path.read_bytes())
            if table.pop("key") != key or not is_whole:
                return None
            system = present_execution(table.pop("system"))
            measurement = validated(_MEASUREMENT, {**table, "system": system})
            lists = (measurement.errors, measurement.words, measurement.hypotheses)
            if any(len(items) != len(measurement.ids) for items in lists):
                raise ValueError(f"{len(measurement.ids)} utterances, and other numbers of errors, words or texts")
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path} is damaged ({error}); {_MEASURE_AGAIN}") from error
        return measurement


_MEASUREMENT = TypeAdapter(Measurement)


def on_chip(recognizer: Recognizer, hardware: Hardware, seed: int, train: CutSet) -> Recognizer:
    """The recognizer with its network on a chip, which holds the integers that the network was trained with.

    Args:
        recognizer: quantized, with its activation ranges.
        hardware: the chip; scale and range of weights are those of the recognizer.
        seed: the same seed is the same chip.
        train: utterances for hardware that is tuned on calibration samples.
    """
    trained = recognizer.description["hardware"]
    hardware = hardware.replace(**{setting: trained[setting] for setting in ("weight_scale", "weight_range")})
    choice = chip_choice(recognizer, hardware)
    # The vectors are those of the digital network: chips of one network share them.
    if not all(layer.calibrated for layer in memrix.check(recognizer.network, choice).layers):
        # With the ranges that the network was trained with: its fake-quantized layer has no others.
        calibrate_recognizer(
            recognizer,
            hardware,
            train,
            batches=_CALIBRATION_BATCHES,
            seconds=_CALIBRATION_SECONDS,
            keep_ranges=True,
        )
    other = recognizer.with_network(memrix.program(recognizer.network, choice, seed=seed))
    other.eval()
    return other


def measure(
    system: System,
    recognizer: Recognizer,
    cuts: CutSet,
    search: BeamSearch,
    references: Mapping[str, Sequence[int]],
    began: float,
    seed: int = 0,
) -> Measurement:
    """Run a system on utterances.

    Args:
        system: what it is.
        recognizer: as it runs.
        cuts: the utterances.
        search: with the settings tuned on development data.
        references: labels of every utterance.
        began: when its work began, of ``time.monotonic``.
        seed: of the noise of a chip's readings.
    """
    chip = system.kind == "chip"
    if chip:
        memrix.reset_statistics(recognizer.network)
        memrix.reseed(recognizer.network, read=seed)
    with torch.random.fork_rng():
        found = emissions(recognizer, cuts)
    ids = tuple(cut.id for cut in cuts)
    texts = {cut.id: cut.supervisions[0].text for cut in cuts}
    hypotheses = search.transcribe_each([found[name] for name in ids])
    # Transcripts are plain words already: nothing is to be normalized.
    counts = [
        count_label_errors(texts[name].split(), heard.split()) for name, heard in zip(ids, hypotheses, strict=True)
    ]
    label_counts = [count_label_errors(references[name], _greedy(found[name])) for name in ids]
    described = memrix.summary(recognizer.network) if chip else None
    return Measurement(
        system=system,
        ids=ids,
        errors=tuple(count.errors for count in counts),
        words=tuple(count.words for count in counts),
        label_errors=sum(count.errors for count in label_counts),
        labels=sum(count.words for count in label_counts),
        hypotheses=tuple(hypotheses),
        cells=0 if described is None else described.cells,
        clipped=0.0 if described is None else described.clipped_share,
        seconds=time.monotonic() - began,
    )


def _greedy(frames: Tensor) -> list[int]:
    return greedy_labels(frames.unsqueeze(0), torch.tensor([len(frames)]))[0]


def as_table(measurement: Measurement) -> dict[str, Any]:
    """A measurement without its utterances, for a report."""
    table = asdict(measurement)
    for name in ("ids", "errors", "words", "hypotheses"):
        table.pop(name)
    return table
