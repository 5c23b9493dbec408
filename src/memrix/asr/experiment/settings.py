"""What an experiment is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memrix.asr.counts import LARGEST_SEED, MOST, is_count
from memrix.asr.recipes import read_settings, recipe_names
from memrix.asr.search.settings import SearchSettings
from memrix.errors import MemrixError, SettingsError
from memrix.toolkit import closest, formerly, shown, with_former_names

# `memrix --help` reads the fields below: torch is imported by the methods that need it.
if TYPE_CHECKING:
    from memrix import Hardware
    from memrix.asr.training.settings import TrainingSettings

SIZES = tuple(name for name in recipe_names() if not name.startswith("whisper"))
_ADC = re.compile(r"(?P<precision>\d{1,3})/(?P<range>\d{1,3})")


@with_former_names
@dataclass(frozen=True)
class ExperimentSettings:
    """What to train, to program and to compare.

    Attributes:
        corpus: name or folder of a corpus that `memrix corpus prepare` has prepared.
        dictionaries: files of pronunciations for words that the dictionaries of the corpus lack.
        size: size of the Conformer, with its training recipe: small (3 million parameters), medium (13 million) or
            paper (42 million).
        weight_bits: bits per weight, 1.5 for ternary weights. At each of them, one network is quantized and
            programmed on chips. Trained recognizers bring their own default.
        hardware: the chips: presets (paper, physical, tuned, realistic, ideal) or TOML or JSON files. Training uses
            the first one. The range and scale of weights are those of training on all of them.
        chips: number of chips of each hardware.
        adc: ADC settings to compare, as precision bits/range bits, such as 8/8,6/6,4/4,2/2. By default that of the
            hardware.
        pre_cycles: numbers of pre-cycling cycles before programming to compare, such as 1,10. By default no
            pre-cycling beyond that of the hardware.
        epochs: epochs of float training. By default those of the recipe.
        low_bit_epochs: epochs of training with low-bit weights: one number for all, or one for each of the bits per
            weight.
        weight_range: how training with low-bit weights chooses their range: abs-max (the largest magnitude) or
            mean-square-error (the clipping with the lowest error, better at 3 bits and below). By default that of the
            hardware.
        weight_noise: standard deviation of the noise on weights in training with low-bit weights, as a share of full
            scale.
        recognizer: file of a trained float recognizer (speech model). By default one is trained.
        low_bit: files of recognizers trained with low-bit weights, by their bits. By default they are trained.
        language_model: ARPA file. By default a 4-gram model is estimated from the training text.
        search: settings of decoding. By default they are tuned.
        part: part of the test split to evaluate, such as test-other of LibriSpeech. By default the whole split.
        limit: number of utterances to evaluate. By default all of them.
        beam: number of hypotheses that decoding keeps. By default 100, or the number tuned with the trained
            recognizers.
        seed: seed of training and of the first chip. Each further chip has the next seed.

    Raises:
        SettingsError: lists every invalid setting.
    """

    corpus: str = "queen"
    dictionaries: tuple[str, ...] = ()
    size: str = "small"
    weight_bits: tuple[float, ...] = (8, 6, 5, 4, 3, 2)
    hardware: tuple[str, ...] = ("paper",)
    chips: int = 5
    adc: tuple[str, ...] = ()
    pre_cycles: tuple[int, ...] = field(default=(), metadata=formerly("wear"))
    epochs: int | None = None
    low_bit_epochs: tuple[int, ...] = field(default=(10,), metadata=formerly("coarse_epochs"))
    weight_range: str | None = field(default=None, metadata=formerly(values={"min-max": "abs-max"}))
    weight_noise: float = 0.0
    recognizer: str | None = field(default=None, metadata=formerly("recogniser"))
    low_bit: tuple[tuple[float, str], ...] = field(default=(), metadata=formerly("coarse"))
    language_model: str | None = None
    search: SearchSettings | None = None
    part: str | None = None
    limit: int | None = None
    beam: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        problems = self._invalid_values()
        if not problems:
            for bits in self.weight_bits:
                try:
                    self.variants(bits)
                    self.low_bit_training(bits, "")
                except MemrixError as error:
                    # What is wrong is so at every number of bits.
                    problems += [str(error)] if str(error) not in problems else []
        if problems:
            raise SettingsError("this experiment cannot be run:\n  " + "\n  ".join(problems))

    def _invalid_values(self) -> list[str]:
        from memrix.asr.outside import text_problem

        problems = []
        if self.size not in SIZES:
            problems.append(f"size must be one of {', '.join(SIZES)}, got {self.size!r}{closest(self.size, SIZES)}")
        for name in ("chips", "beam", "epochs", "limit"):
            value = getattr(self, name)
            if value is not None and not _counts(value):
                problems.append(f"{name} must be a whole number from 1 on, up to {MOST}, got {shown(value)}")
        if not all(map(_counts, self.low_bit_epochs)) or len(self.low_bit_epochs) not in (1, len(self.weight_bits)):
            problems.append(
                f"low_bit_epochs must be one whole number from 1 on, or one for each of the {len(self.weight_bits)} "
                f"numbers of bits, got {self.low_bit_epochs!r}"
            )
        if not self.weight_bits or len(set(self.weight_bits)) < len(self.weight_bits):
            problems.append(f"weight_bits must be numbers of bits, each once, got {self.weight_bits!r}")
        problems += [
            f"an ADC is precision/range, such as 4/4, got {text!r}" for text in self.adc if not _ADC.fullmatch(text)
        ]
        if self.weight_range is not None:
            from memrix import Hardware

            try:
                Hardware().replace(weight_range=self.weight_range)
            except MemrixError as error:
                problems.append(str(error))
        if not is_count(self.seed, 0, LARGEST_SEED):
            problems.append(f"seed must be a whole number from 0 to {LARGEST_SEED}, got {shown(self.seed)}")
        texts = {"corpus": self.corpus, "recognizer": self.recognizer, "language_model": self.language_model}
        problems += [
            f"{name}: {problem}"
            for name, text in texts.items()
            if text is not None and (problem := text_problem(text))
        ]
        if not self.hardware:
            problems.append("hardware must name at least one chip, such as 'paper'")
        return problems

    @property
    def trains_float(self) -> bool:
        """Whether the float recognizer is to be trained."""
        return self.recognizer is None

    @property
    def trains_low_bit(self) -> bool:
        """Whether recognizers with low-bit weights are to be trained."""
        return not set(self.weight_bits) <= set(dict(self.low_bit))

    def variants(self, bits: float) -> dict[str, Hardware]:
        """Chips at so many bits by a name: every hardware, with every ADC and number of pre-cycles to compare."""
        from memrix import Hardware, PreCycled

        found = {}
        for name in self.hardware:
            base = Hardware.named(name).replace(weight_bits=bits)
            for adc in self.adc or (None,):
                for cycles in self.pre_cycles or (None,):
                    chip, label = base, name
                    if adc is not None:
                        split = _ADC.fullmatch(adc)
                        precision, reach = (int(split["precision"]), int(split["range"])) if split else (0, 0)
                        chip = chip.replace(**{"adc.precision_bits": precision, "adc.range_bits": reach})
                        label += f", ADC {adc}"
                    if cycles is not None:
                        chip = chip.replace(programming=PreCycled(cycles=cycles))
                        label += f", {cycles} pre-cycle{'s' if cycles > 1 else ''}"
                    found[label] = chip
        return found

    def float_training(self) -> TrainingSettings:
        """The training in float: the recipe of this size."""
        from memrix.asr.training.settings import TrainingSettings

        recipe, source = read_settings(self.size)
        given = {"corpus": self.corpus, "dictionaries": self.dictionaries, "seed": self.seed}
        table = {**recipe, **given}
        if self.epochs is not None:
            table["epochs"] = self.epochs
        return TrainingSettings.from_dict(table, source)

    def low_bit_training(self, bits: float, start: str) -> TrainingSettings:
        """The training with low-bit weights, from a float recognizer: shorter, and from a lower learning rate."""
        from memrix import Hardware

        hardware = Hardware.named(self.hardware[0]).replace(weight_bits=bits)
        if self.weight_range is not None:
            hardware = hardware.replace(weight_range=self.weight_range)
        recipe = self.float_training()
        peak = max(recipe.optimizer.learning_rates)
        epochs = dict(zip(self.weight_bits, self.low_bit_epochs, strict=False)).get(bits, self.low_bit_epochs[0])
        optimizer = recipe.optimizer.model_copy(update={"learning_rates": (peak / 4, peak / 400), "phases": (1.0,)})
        return recipe.model_copy(
            update={
                "method": "quantization-aware",
                "start": start,
                "model": None,
                "hardware": hardware,
                "quantization": replace(recipe.quantization, weight_noise=self.weight_noise),
                "optimizer": optimizer,
                "epochs": epochs,
                "average": min(recipe.average, max(1, epochs // 3)),
            }
        )


def _counts(value: object) -> bool:
    return is_count(value, 1, MOST)
