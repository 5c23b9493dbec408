"""Which recognizer, chip and utterances the costs of an utterance are measured on."""

from __future__ import annotations

from dataclasses import dataclass

from memrix.asr.counts import LARGEST_SEED, MOST, is_count
from memrix.errors import SettingsError
from memrix.toolkit import shown


@dataclass(frozen=True)
class CostSettings:
    """What is run.

    Attributes:
        trained: trained recognizers: queen-small, which comes with memrix, or a folder that `memrix experiment
            --save-trained` has written.
        weight_bits: bits per weight of the recognizer to run, one that was trained with low-bit weights. By default
            the fewest.
        corpus: name or folder of a corpus that `memrix corpus prepare` has prepared.
        limit: number of utterances of its test split.
        chip: file of a chip of this recognizer's network that memrix.save has written. By default one is programmed.
        constants: TOML file of what one conversion, sum, product or cell costs, in place of those that come with
            memrix.
        seed: seed of the chip that is programmed.
    """

    trained: str = "queen-small"
    weight_bits: float | None = None
    corpus: str = "queen"
    limit: int = 10
    chip: str | None = None
    constants: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not is_count(self.limit, 1, MOST):
            raise SettingsError(f"limit must be a whole number from 1 to {MOST}, got {shown(self.limit)}")
        if not is_count(self.seed, 0, LARGEST_SEED):
            raise SettingsError(f"seed must be a whole number from 0 to {LARGEST_SEED}, got {shown(self.seed)}")
