"""Settings of a training as options of a command: few of them, beside a recipe that has the others."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from memrix.errors import SettingsError
from memrix.toolkit import shown

_PLAIN = (
    *("model", "corpus", "method", "start", "epochs", "seconds_per_batch", "seed", "precision"),
    *("resampled_epochs", "compensation"),
)
_OF_QUANTIZATION = ("learned_steps", "weight_noise")
_OF_DISTILLATION = {"distillation": "logits", "encoder_distillation": "encoder", "teacher": "teacher"}


@dataclass(frozen=True)
class TrainingOptions:
    """What differs from the recipe.

    Attributes:
        model: the model to train: a size of the Conformer (small, medium, paper), whisper-tiny.en, another
            sequence-to-sequence model of the Hugging Face hub, or a folder that holds one. By default that of the
            recipe.
        corpus: name or folder of a corpus that `memrix corpus prepare` has prepared. By default queen.
        method: float, quantization-aware (with fake quantizers) or hardware-aware (each step samples a new chip). By
            default that of the recipe, or quantization-aware if there are bits per weight.
        start: file of a trained recognizer to start from.
        hardware: the chip: a preset or a TOML or JSON file. By default paper.
        weight_bits: bits per weight.
        weight_range: how the range of weights is chosen: abs-max or mean-square-error.
        learned_steps: whether the steps of weights and activations are trained.
        weight_noise: standard deviation of the noise on weights, as a share of full scale.
        annealing: bits and epochs of training at more bits first, such as 8:1,4:2.
        compensation: first round the weights of each new number of bits so that they make up for each other's errors.
        resampled_epochs: number of last epochs whose steps each sample a new chip.
        distillation: share of the loss that is the distance to the outputs of a float teacher.
        encoder_distillation: weight of the distance to the output of the encoder of a float teacher.
        teacher: file of the float recognizer to learn from. By default the model that the training starts from.
        epochs: passes over the training data.
        learning_rate: the highest one; all of the recipe are scaled.
        seconds_per_batch: seconds of audio in a batch.
        seed: seed of everything.
        precision: of products in training: 32, or bf16 on a GPU or a CPU with instructions for it.
    """

    model: str | None = None
    corpus: str | None = None
    method: str | None = None
    start: str | None = None
    hardware: str | None = None
    weight_bits: float | None = None
    weight_range: str | None = None
    learned_steps: bool | None = None
    weight_noise: float | None = None
    annealing: tuple[str, ...] = ()
    resampled_epochs: int | None = None
    distillation: float | None = None
    encoder_distillation: float | None = None
    teacher: str | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    seconds_per_batch: float | None = None
    seed: int | None = None
    precision: str | None = None
    compensation: bool | None = None


def changed(table: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recipe or file, as ``tomllib`` reads them, with the options that were given.

    Raises:
        SettingsError: an option has a value that cannot be one.
    """
    found = {**table, **{name: given[name] for name in _PLAIN if name in given}}
    hardware = {name: given[name] for name in ("weight_bits", "weight_range") if name in given}
    if isinstance(hardware.get("weight_bits"), float) and hardware["weight_bits"].is_integer():
        hardware["weight_bits"] = int(hardware["weight_bits"])
    if hardware or "hardware" in given:
        # Bits and ranges that a recipe has for its chip are meant for another chip, too.
        known = table.get("hardware", "paper")
        known = {"preset": known} if isinstance(known, str) else dict(known)
        preset = {"preset": given["hardware"]} if "hardware" in given else {}
        found["hardware"] = {**known, **preset, **hardware}
        if "method" not in given and found.get("method", "float") == "float":
            found["method"] = "quantization-aware"
    parts = {
        "quantization": {name: given[name] for name in _OF_QUANTIZATION if name in given},
        "distillation": {part: given[name] for name, part in _OF_DISTILLATION.items() if name in given},
    }
    found |= {name: {**table.get(name, {}), **part} for name, part in parts.items() if part}
    if "annealing" in given:
        found["annealing"] = [_step(text) for text in given["annealing"]]
    if "learning_rate" in given:
        found["optimizer"] = _scaled(table.get("optimizer", {}), given["learning_rate"])
    return found


def _step(text: str) -> list[float]:
    bits, separator, epochs = text.partition(":")
    with suppress(ValueError):
        if separator:
            return [float(bits), int(epochs)]
    raise SettingsError(f"--annealing takes bits:epochs separated by commas, such as 8:1,4:2; got {shown(text)}")


def _scaled(optimizer: Mapping[str, Any], peak: float) -> dict[str, Any]:
    from memrix.asr.training.settings import OptimizerSettings  # imports torch

    rates = optimizer.get("learning_rates", OptimizerSettings().learning_rates)
    if not isinstance(rates, list | tuple) or not all(isinstance(rate, int | float) for rate in rates):
        return dict(optimizer)  # which its own check refuses
    highest = max(rates, default=0.0)
    return {**optimizer, "learning_rates": [rate * peak / highest if highest else rate for rate in rates]}
