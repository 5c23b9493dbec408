"""What an experiment is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import get_args

from memrix._support.records import closest
from memrix._support.renamed import formerly, with_former_names
from memrix._support.validation import shown
from memrix.asr.counts import LARGEST_SEED, MOST, is_count
from memrix.asr.outside import text_problem
from memrix.asr.recipes import read_settings, recipe_names
from memrix.asr.search.settings import SearchSettings
from memrix.asr.training.settings import TrainingSettings
from memrix.crossbar.protocols import Cycled
from memrix.errors import MemrixError, SettingsError
from memrix.hardware import Hardware
from memrix.quantization import WeightRange

SIZES = recipe_names()
_ADC = re.compile(r"(?P<precision>\d{1,3})/(?P<range>\d{1,3})")


@with_former_names
@dataclass(frozen=True)
class ExperimentSettings:
    """What to train, to program and to compare.

    Attributes:
        corpus: name or folder of a prepared corpus.
        dictionaries: files of pronunciations beside that of the corpus.
        size: of the Conformer, which brings its recipe of training.
        weight_bits: one quantized network and its chips at each of these; 1.5 for ternary weights.
        hardware: chips to program: presets or files. The first one is what training knows; scale and range of weights
            are on all of them those that the network was trained with.
        chips: how many of each kind.
        adc: splits of the converters' bits as precision/range, such as ``4/4``; none leaves those of the hardware.
        wear: cycles of wear before programming, such as 1 and 10; none leaves the programming of the hardware.
        epochs: of the training in float; None is what the recipe says.
        coarse_epochs: of the trainings with coarse weights: one number for all, or one for each of ``weight_bits``.
        weight_range: of those trainings, as in ``memrix.Hardware``; None is that of the hardware.
        weight_noise: of those trainings, as in ``memrix.Quantization``.
        recognizer: file of a float recognizer, in place of training one.
        coarse: files of recognizers trained with coarse weights by their bits, in place of training them.
        language_model: ARPA file, in place of estimating one from the training text.
        search: settings of the search, in place of tuning them.
        part: of the test split to evaluate, such as ``test-other`` of LibriSpeech; None is all of it.
        limit: utterances of that to evaluate; None is all.
        beam: hypotheses that the search keeps; None is what ``search`` says, or 100.
        seed: of training, and of the first chip; the others have those that follow.

    Raises:
        SettingsError: lists what cannot be.
    """

    corpus: str = "queen"
    dictionaries: tuple[str, ...] = ()
    size: str = "small"
    weight_bits: tuple[float, ...] = (8, 6, 5, 4, 3, 2)
    hardware: tuple[str, ...] = ("paper",)
    chips: int = 5
    adc: tuple[str, ...] = ()
    wear: tuple[int, ...] = ()
    epochs: int | None = None
    coarse_epochs: tuple[int, ...] = (10,)
    weight_range: str | None = field(default=None, metadata=formerly(values={"min-max": "abs-max"}))
    weight_noise: float = 0.0
    recognizer: str | None = None
    coarse: tuple[tuple[float, str], ...] = ()
    language_model: str | None = None
    search: SearchSettings | None = None
    part: str | None = None
    limit: int | None = None
    beam: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        problems = []
        if self.size not in SIZES:
            problems.append(f"size must be one of {', '.join(SIZES)}, got {self.size!r}{closest(self.size, SIZES)}")
        for name in ("chips", "beam", "epochs", "limit"):
            value = getattr(self, name)
            if value is not None and not _counts(value):
                problems.append(f"{name} must be a whole number from 1 on, up to {MOST}, got {shown(value)}")
        if not all(map(_counts, self.coarse_epochs)) or len(self.coarse_epochs) not in (1, len(self.weight_bits)):
            problems.append(
                f"coarse_epochs must be one whole number from 1 on, or one for each of the {len(self.weight_bits)} "
                f"numbers of bits, got {self.coarse_epochs!r}"
            )
        if not self.weight_bits or len(set(self.weight_bits)) < len(self.weight_bits):
            problems.append(f"weight_bits must be numbers of bits, each once, got {self.weight_bits!r}")
        problems += [
            f"an ADC is precision/range, such as 4/4, got {text!r}" for text in self.adc if not _ADC.fullmatch(text)
        ]
        if self.weight_range is not None and self.weight_range not in get_args(WeightRange):
            problems.append(
                f"weight_range must be one of {', '.join(get_args(WeightRange))}, got {self.weight_range!r}"
                f"{closest(self.weight_range, get_args(WeightRange))}"
            )
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
        if not problems:
            for bits in self.weight_bits:
                try:
                    self.variants(bits)
                    self.coarse_training(bits, "")
                except MemrixError as error:
                    # What is wrong is so at every number of bits.
                    problems += [str(error)] if str(error) not in problems else []
        if problems:
            raise SettingsError("this experiment cannot be run:\n  " + "\n  ".join(problems))

    @property
    def trains_float(self) -> bool:
        """Whether the float recognizer is to be trained."""
        return self.recognizer is None

    @property
    def trains_coarse(self) -> bool:
        """Whether recognizers with coarse weights are to be trained."""
        return not set(self.weight_bits) <= set(dict(self.coarse))

    def variants(self, bits: float) -> dict[str, Hardware]:
        """Chips at so many bits by a name: every hardware, with every converter and wear that is asked for."""
        found = {}
        for name in self.hardware:
            base = Hardware.named(name).replace(weight_bits=bits)
            for adc in self.adc or (None,):
                for wear in self.wear or (None,):
                    chip, label = base, name
                    if adc is not None:
                        split = _ADC.fullmatch(adc)
                        precision, reach = (int(split["precision"]), int(split["range"])) if split else (0, 0)
                        chip = chip.replace(**{"adc.precision_bits": precision, "adc.range_bits": reach})
                        label += f", ADC {adc}"
                    if wear is not None:
                        chip = chip.replace(programming=Cycled(cycles=wear))
                        label += f", {wear} cycle{'s' if wear > 1 else ''} of wear"
                    found[label] = chip
        return found

    def float_training(self) -> TrainingSettings:
        """The training in float: the recipe of this size."""
        recipe, source = read_settings(self.size)
        given = {"corpus": self.corpus, "dictionaries": self.dictionaries, "seed": self.seed}
        table = {**recipe, **given}
        if self.epochs is not None:
            table["epochs"] = self.epochs
        return TrainingSettings.from_dict(table, source)

    def coarse_training(self, bits: float, start: str) -> TrainingSettings:
        """The training with coarse weights, from a float recognizer: shorter, and from a lower learning rate."""
        hardware = Hardware.named(self.hardware[0]).replace(weight_bits=bits)
        if self.weight_range is not None:
            hardware = hardware.replace(weight_range=self.weight_range)
        recipe = self.float_training()
        peak = max(recipe.optimizer.learning_rates)
        epochs = dict(zip(self.weight_bits, self.coarse_epochs, strict=False)).get(bits, self.coarse_epochs[0])
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
