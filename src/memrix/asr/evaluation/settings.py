"""What to evaluate: a recognizer, recordings, and the chips to run on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from memrix.asr.counts import LARGEST_SEED, MOST, is_count
from memrix.errors import DataError, MemrixError, SettingsError
from memrix.toolkit import shown

# `memrix --help` reads the fields below: torch is imported by the methods that need it.
if TYPE_CHECKING:
    from memrix import Hardware
    from memrix.asr.evaluation.results import Execution

WHISPER_DIGITAL = ("model.encoder.conv*", "proj_out")
"""Front end and output layer stay digital, as in the paper; the latter shares its weights with the embedding."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What to evaluate.

    Attributes:
        model: the speech model: whisper-tiny.en, a Whisper model of the Hugging Face Hub, a folder that holds one, or
            a file that `memrix train` wrote.
        corpus: the recordings: asterisk, queen, another prepared corpus (its test split), a folder of audio and text
            files, or a manifest: JSON lines with `audio` and `text`.
        hardware: the chip: a preset (paper, physical, tuned, realistic, ideal) or a TOML or JSON file. Its bits per
            weight are replaced.
        weight_bits: bits per weight. At each of them, the network is quantized and programmed on chips.
        low_bit: recognizers trained with low-bit weights, as bits:file, such as 4:run/model.safetensors. At other
            bits per weight, the model is quantized without training.
        chips: number of chips at each of the bits per weight.
        limit: number of utterances to evaluate. By default all that calibration leaves.
        calibration_clips: number of utterances that activation ranges are calibrated on. They are not evaluated.
        calibration_split: split of a prepared corpus, such as train, to draw these utterances from. By default that
            which is evaluated.
        percentile: percentile of the input magnitudes of a layer that sets its activation range. 100 is the largest
            magnitude, as in arXiv 2505.24721.
        longest_clip: length in seconds above which recordings are left out. By default none is.
        batch_size: number of utterances in a batch.
        seed: seed of the choice of utterances and of read noise. Chip c is programmed with seed + c.
        skip_bad: leave out audio files that cannot be read, and count them, instead of stopping.
        digital: patterns of names of layers that stay digital. None given ("") maps every layer to the chip.

    Raises:
        SettingsError: bits per weight, chips or hardware that are invalid.
        DataError: counts that are invalid.
    """

    model: str = "whisper-tiny.en"
    corpus: str = "asterisk"
    hardware: Hardware | str = "paper"
    weight_bits: tuple[int, ...] = (8, 6, 5, 4)
    low_bit: tuple[str, ...] = ()
    chips: int = 1
    limit: int | None = None
    calibration_clips: int = 8
    calibration_split: str | None = None
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
        _require_count("chips", self.chips, 1, MOST, SettingsError)
        for name in ("limit", "calibration_clips", "batch_size"):
            count = getattr(self, name)
            if count is not None or name != "limit":
                _require_count(name, count, 1, MOST, DataError)
        if self.longest_clip is not None and not self.longest_clip > 0:
            raise DataError(f"longest_clip is a number of seconds above 0, got {self.longest_clip!r}")
        _require_count("seed", self.seed, 0, LARGEST_SEED, DataError)
        unused = [str(bits) for bits in self.low_bit_files if bits not in self.weight_bits]
        if unused:
            raise SettingsError(
                f"low_bit names recognizers of {', '.join(unused)} bits, and weight_bits are {self.weight_bits!r}; "
                "give these bits too"
            )
        for bits in self.weight_bits:
            self.chip.replace(weight_bits=bits)

    @cached_property
    def chip(self) -> Hardware:
        """The hardware that is named, or given."""
        from memrix import Hardware

        return Hardware.named(self.hardware) if isinstance(self.hardware, str) else self.hardware

    @cached_property
    def low_bit_files(self) -> dict[int, str]:
        """Files of the recognizers that were trained with low-bit weights, by their bits.

        Raises:
            SettingsError: something that is not bits:file, or bits that are given twice.
        """
        files: dict[int, str] = {}
        for text in self.low_bit:
            bits, separator, path = text.partition(":")
            if not (separator and path and bits.isascii() and bits.isdecimal() and int(bits) not in files):
                raise SettingsError(
                    f"low_bit takes bits:file for each of different bits, such as 4:run/model.safetensors, got "
                    f"{shown(text)}"
                )
            files[int(bits)] = path
        return files

    @property
    def hardware_name(self) -> str:
        """What tables and charts call the chip."""
        return self.hardware if isinstance(self.hardware, str) else "custom"

    @property
    def executions(self) -> tuple[Execution, ...]:
        """What is run, in order: float, then for each number of bits quantized and chip after chip."""
        from memrix.asr.evaluation.results import Execution

        executions = [Execution("float")]
        for bits in self.weight_bits:
            executions.append(Execution("quantized", bits))
            executions += [Execution("chip", bits, chip) for chip in range(self.chips)]
        return tuple(executions)

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain data, without the description of the chip."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "hardware"}
        fields |= {"hardware_name": self.hardware_name, "weight_bits": list(self.weight_bits)}
        return {**fields, "digital": list(self.digital), "low_bit": list(self.low_bit)}


def _require_count(name: str, value: object, low: int, high: int, error: type[MemrixError]) -> None:
    if is_count(value, low, high):
        return
    bound = f"at most {high}" if is_count(value, low) else f"at least {low}"
    raise error(f"{name} is a whole number of {bound}, got {shown(value)}")
