"""What to transcribe with: a recognizer, and the chip beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from memrix.asr.counts import LARGEST_SEED, count_problems
from memrix.errors import SettingsError

# `memrix --help` reads the fields below: torch is imported by the methods that need it.
if TYPE_CHECKING:
    from memrix import Hardware


@dataclass(frozen=True)
class TranscriptionSettings:
    """What to transcribe with.

    Attributes:
        model: the recognizer: whisper-tiny.en, a Whisper model of the Hugging Face Hub, a folder that holds one, a
            file that `memrix train` or `memrix pack` wrote, queen-small, or a folder that `memrix experiment
            --save-trained` wrote.
        hardware: a chip to transcribe on as well: a preset (paper, physical, tuned, realistic, ideal) or a TOML or
            JSON file. By default none.
        weight_bits: bits per weight of the chip. By default those of the hardware, or those that the model was
            trained with. Of several trained recognizers, such as queen-small, which one; by default that in float.
        chip_only: transcribe on the chip alone, where the default also shows the model as it is.
        seed: seed of the chip, its programming and its read noise.
        batch_size: number of windows of 30 s that are transcribed at a time.

    Raises:
        SettingsError: hardware that there is not, settings of a chip without hardware, or counts that are invalid.
    """

    model: str = "whisper-tiny.en"
    hardware: Hardware | str | None = None
    weight_bits: float | None = None
    chip_only: bool = False
    seed: int = 0
    batch_size: int = 4

    def __post_init__(self) -> None:
        problems = count_problems(self, ("batch_size",)) + count_problems(self, ("seed",), 0, LARGEST_SEED)
        if problems:
            raise SettingsError("; ".join(problems))
        from memrix.asr.trained_recognizers import is_trained

        of_chip = self.weight_bits is not None and not is_trained(self.model)
        if self.hardware is None and (of_chip or self.chip_only):
            given = "weight_bits" if of_chip else "chip_only"
            raise SettingsError(f"{given} is a setting of a chip, and there is none; give its hardware")
        if self.hardware is not None:
            _ = self.chip

    @cached_property
    def chip(self) -> Hardware | None:
        """The hardware of the chip, or None."""
        from memrix import Hardware

        if self.hardware is None:
            return None
        chip = Hardware.named(self.hardware) if isinstance(self.hardware, str) else self.hardware
        return chip if self.weight_bits is None else chip.replace(weight_bits=self.weight_bits)

    @property
    def hardware_name(self) -> str | None:
        """What a transcript calls the chip."""
        return self.hardware if isinstance(self.hardware, str) or self.hardware is None else "custom"

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain data, without the description of the chip."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "hardware"}
        return {**fields, "hardware_name": self.hardware_name}
