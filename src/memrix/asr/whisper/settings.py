"""What to evaluate: a recognizer, recordings, and the chips to run on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memrix._support.validation import shown
from memrix.asr.counts import LARGEST_SEED, MOST, is_count
from memrix.asr.whisper.results import Execution
from memrix.errors import DataError, MemrixError, SettingsError
from memrix.hardware import Hardware

WHISPER_DIGITAL = ("model.encoder.conv*", "proj_out")
"""Front end and output layer stay digital, as in the paper; the latter shares its weights with the embedding."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What to evaluate.

    Attributes:
        model: name of the recognizer.
        corpus: name or path of the recordings.
        hardware: the chip; its ``weight_bits`` are replaced by those below.
        hardware_name: what to call the chip in tables and charts.
        weight_bits: one quantized execution, and one for each chip, at each of these.
        chips: how many chips to program at each number of bits.
        limit: utterances to evaluate; None takes all that calibration leaves.
        calibration_clips: utterances that the activation ranges are taken from; none of them is evaluated.
        percentile: of the magnitudes of a layer's inputs, its activation range; 100 is the largest.
        longest_clip: longer recordings are left out, in seconds; None takes all.
        batch_size: utterances that run together.
        seed: draws utterances and read noise; chip number c is programmed with ``seed + c``.
        skip_bad: leave out audio files that cannot be read, instead of stopping.
        digital: patterns of layers that stay digital.

    Raises:
        SettingsError: weight bits or chips that cannot be.
        DataError: counts that cannot be.
    """

    model: str
    corpus: str
    hardware: Hardware
    hardware_name: str = "custom"
    weight_bits: tuple[int, ...] = (8, 6, 5, 4)
    chips: int = 1
    limit: int | None = None
    calibration_clips: int = 8
    percentile: float = 99.99
    longest_clip: float | None = None
    batch_size: int = 8
    seed: int = 0
    skip_bad: bool = False
    digital: tuple[str, ...] = WHISPER_DIGITAL

    def __post_init__(self) -> None:
        if not self.weight_bits or any(not is_count(bits, 2) for bits in self.weight_bits):
            raise SettingsError(
                f"weight bits are whole numbers of at least 2, got {self.weight_bits!r}; try (8, 6, 5, 4)"
            )
        if len(set(self.weight_bits)) < len(self.weight_bits):
            raise SettingsError(f"weight bits are given twice in {self.weight_bits!r}; give each once")
        for bits in self.weight_bits:
            self.hardware.replace(weight_bits=bits)
        _require_count("chips", self.chips, 1, MOST, SettingsError)
        for name in ("limit", "calibration_clips", "batch_size"):
            count = getattr(self, name)
            if count is not None or name != "limit":
                _require_count(name, count, 1, MOST, DataError)
        if self.longest_clip is not None and not self.longest_clip > 0:
            raise DataError(f"longest_clip is a number of seconds above 0, got {self.longest_clip!r}")
        _require_count("seed", self.seed, 0, LARGEST_SEED, DataError)

    @property
    def executions(self) -> tuple[Execution, ...]:
        """What is run, in order: float, then for each number of bits quantized and chip after chip."""
        executions = [Execution("float")]
        for bits in self.weight_bits:
            executions.append(Execution("quantized", bits))
            executions += [Execution("chip", bits, chip) for chip in range(self.chips)]
        return tuple(executions)

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain data, without the description of the chip."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "hardware"}
        return {**fields, "weight_bits": list(self.weight_bits), "digital": list(self.digital)}


def _require_count(name: str, value: object, low: int, high: int, error: type[MemrixError]) -> None:
    if is_count(value, low, high):
        return
    bound = f"at most {high}" if is_count(value, low) else f"at least {low}"
    raise error(f"{name} is a whole number of {bound}, got {shown(value)}")
