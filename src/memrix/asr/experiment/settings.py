"""What an experiment is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from memrix.asr.counts import MOST, count_problems, is_count
from memrix.asr.evaluation.settings import EvaluationSettings
from memrix.asr.recipes import read_experiment, read_settings, recipe_names
from memrix.errors import MemrixError, SettingsError
from memrix.toolkit import closest, formerly, is_file, is_folder, listing, with_former_names

# `memrix --help` reads the fields below: torch is imported by the methods that need it.
if TYPE_CHECKING:
    from memrix.asr.training.settings import TrainingSettings

_RECIPES = {"float": "whisper", "low-bit": "whisper-low-bit"}
"""Of pretrained models, which are sequence-to-sequence."""
_LOW_BIT_EPOCHS = 10


@with_former_names
@dataclass(frozen=True)
class ExperimentSettings(EvaluationSettings):
    """What to train, and what to evaluate.

    Attributes:
        model: the model to train, with its recipe: a size of the Conformer (small: 3 million parameters, medium: 13
            million, paper: 42 million), whisper-tiny.en, another sequence-to-sequence model of the Hugging Face Hub,
            a folder that holds one, or a TOML file of settings of a training. The recipes tedlium2 and librispeech
            are the experiments of arXiv 2505.24721 and 2606.13379: they bring corpus, chips and bits, too.
        corpus: name or folder of a corpus that `memrix corpus prepare` has prepared.
        hardware: the chips: presets (paper, physical, tuned, realistic, ideal) or TOML or JSON files. Training uses
            the first one. The range and scale of weights are those of training on all of them.
        epochs: epochs of float training. By default those of the recipe.
        low_bit_epochs: epochs of training with low-bit weights: one number for all, or one for each of the bits per
            weight. By default 10, or those of the recipe of a sequence-to-sequence model.
        weight_range: how training with low-bit weights chooses their range: abs-max (the largest magnitude) or
            mean-square-error (the clipping with the lowest error, better at 3 bits and below). By default that of the
            hardware.
        weight_noise: standard deviation of the noise on weights in training with low-bit weights, as a share of full
            scale.
        recognizer: file of a trained float recognizer (speech model), or a folder of trained recognizers. By default
            one is trained.

    Raises:
        SettingsError: lists every invalid setting.
    """

    model: str = field(default="small", metadata=formerly("size"))
    corpus: str = "queen"
    weight_bits: tuple[float, ...] = (8, 6, 5, 4, 3, 2)
    low_bit: tuple[str, ...] = field(default=(), metadata=formerly("coarse"))
    chips: int = 5
    pre_cycles: tuple[int, ...] = field(default=(), metadata=formerly("wear"))
    calibration_clips: int = 64
    epochs: int | None = None
    low_bit_epochs: tuple[int, ...] = field(default=(), metadata=formerly("coarse_epochs"))
    weight_range: str | None = field(default=None, metadata=formerly(values={"min-max": "abs-max"}))
    weight_noise: float = 0.0
    recognizer: str | None = field(default=None, metadata=formerly("recogniser"))

    def _problems(self) -> list[str]:
        problems = super()._problems() + count_problems(self, ("epochs",))
        given = self.low_bit_epochs
        if not all(is_count(epochs, 1, MOST) for epochs in given) or len(given) not in (0, 1, len(self.weight_bits)):
            problems.append(
                f"low_bit_epochs must be one whole number from 1 on, or one for each of the {len(self.weight_bits)} "
                f"numbers of bits, got {given!r}"
            )
        if not problems:
            for bits in self.weight_bits:
                try:
                    self.low_bit_training(bits, "start")
                except MemrixError as error:
                    problems += [str(error)] if str(error) not in problems else []
        return problems

    def float_training(self) -> TrainingSettings:
        """The training in float: the recipe of the model.

        Raises:
            SettingsError: there is no such model, nor a file of settings of that name.
        """
        return self._training(_RECIPES["float"], {} if self.epochs is None else {"epochs": self.epochs})

    def low_bit_training(self, bits: float, start: str) -> TrainingSettings:
        """The training with low-bit weights, from a float recognizer.

        That of a CTC model is its float training, shorter and from a lower learning rate.
        """
        from memrix.asr.models.settings import Seq2SeqSettings

        recipe = self.float_training()
        update: dict[str, Any] = {"method": "quantization-aware", "start": start}
        epochs, weight_range = self._epochs_at(bits), self.weight_range
        if isinstance(recipe.model, Seq2SeqSettings):
            recipe = self._training(_RECIPES["low-bit"], {})
            weight_range = weight_range or recipe.hardware.weight_range
            epochs = epochs or recipe.epochs
        else:
            epochs = epochs or _LOW_BIT_EPOCHS
            peak = max(recipe.optimizer.learning_rates)
            rates = {"learning_rates": (peak / 4, peak / 400), "phases": (1.0,)}
            update |= {"model": None, "optimizer": recipe.optimizer.model_copy(update=rates)}
        hardware = self.hardware_at(self.hardware[0], bits)
        update |= {
            "hardware": hardware if weight_range is None else hardware.replace(weight_range=weight_range),
            "quantization": replace(recipe.quantization, weight_noise=self.weight_noise),
            "epochs": epochs,
            "average": min(recipe.average, max(1, epochs // 3)),
        }
        return recipe.model_copy(update=update)

    def _training(self, recipe: str, changes: Mapping[str, Any]) -> TrainingSettings:
        """A training of the model: by its own recipe, or that of models of its kind."""
        from memrix.asr.training.settings import TrainingSettings

        table, source = recipe_of(self.model, recipe)
        given: dict[str, Any] = {"corpus": self.corpus, "dictionaries": self.dictionaries, "seed": self.seed}
        return TrainingSettings.from_dict({**table, **given, **changes}, source)

    def _epochs_at(self, bits: float) -> int | None:
        """Epochs of training at so many bits; None where nothing is said."""
        if len(self.low_bit_epochs) < 2:
            return next(iter(self.low_bit_epochs), None)
        return dict(zip(self.weight_bits, self.low_bit_epochs, strict=True))[bits]

    def evaluation(self, model: str, low_bit: Mapping[float, str]) -> EvaluationSettings:
        """The evaluation of trained recognizers."""
        known = {of.name: getattr(self, of.name) for of in fields(EvaluationSettings)}
        files = tuple(f"{bits:g}:{path}" for bits, path in low_bit.items())
        return EvaluationSettings(**{**known, "model": model, "low_bit": files})


def experiment_of(model: str) -> dict[str, Any]:
    """What the recipe or file of settings of a model says of the experiment around it; nothing of pretrained models.

    Raises:
        SettingsError: there is no such model, nor a file of settings of that name.
    """
    given = {} if _is_pretrained(model) else read_experiment(model)
    known = [of.name for of in fields(ExperimentSettings) if of.name != "model"]
    problems = [f"there is no setting {name!r}{closest(name, known)}" for name in given if name not in known]
    if problems:
        raise SettingsError(f"the table [experiment] of {model!r} cannot be used:{listing(problems)}")
    return given


def recipe_of(model: str, recipe: str = _RECIPES["float"]) -> tuple[dict[str, Any], str]:
    """The settings of the training of a model as a table, and how to call them in a message.

    Args:
        model: a recipe or file of settings; or a pretrained model, of the hub or of a folder.
        recipe: of a pretrained one.

    Raises:
        SettingsError: there is no such model, nor a file of settings of that name.
    """
    if not _is_pretrained(model):
        return read_settings(model)
    table, source = read_settings(recipe)
    return {**table, "model": model}, source


def _is_pretrained(model: str) -> bool:
    from memrix.asr.model_folders import is_hub_name

    is_whisper = model.startswith("whisper-") and model not in recipe_names()
    return (is_whisper or is_hub_name(model) or is_folder(model)) and not is_file(model)
