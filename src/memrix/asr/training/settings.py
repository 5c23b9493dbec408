"""What a training is: one object, or one file, says it all."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, FiniteFloat, PlainSerializer, ValidationError, model_validator

from memrix import Hardware, Quantization
from memrix.asr.augmentation import Augmentation
from memrix.asr.former import SETTINGS, in_present_names
from memrix.asr.models.settings import ModelChoice
from memrix.asr.outside import PlainText, Settings
from memrix.asr.recipes import read_settings
from memrix.asr.training.problems import problem_lines
from memrix.errors import SettingsError
from memrix.toolkit import former_names, listing, warn_renamed

_LARGEST = 1e12
"""No rate, decay or norm is above: single precision squares them."""

Method = Literal["float", "quantization-aware", "hardware-aware"]


def hardware_of(value: Any) -> Any:  # noqa: ANN401
    """A preset or a file by its name, or a table: ``preset`` and what is changed, nested or dotted."""
    if isinstance(value, str):
        return Hardware.named(value)
    if not isinstance(value, dict):
        return value
    changes = {key: setting for key, setting in value.items() if key != "preset"}
    return Hardware.from_dict(changes, Hardware.named(value["preset"]) if "preset" in value else None)


def _quantization(value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        return value
    return Quantization.from_dict({"output_quantizers": True, **value})


def _present_kind(kind: object) -> object:
    if kind == "pieces":
        warn_renamed("labels.kind='pieces'", "labels.kind='subwords'")
        return "subwords"
    return kind


HardwareTable = Annotated[Hardware, BeforeValidator(hardware_of), PlainSerializer(Hardware.to_dict)]
QuantizationTable = Annotated[Quantization, BeforeValidator(_quantization), PlainSerializer(Quantization.to_dict)]


class LabelSettings(Settings):
    """The labels of the model.

    Attributes:
        kind: ``phonemes`` with end-of-word variants, or ``subwords`` by byte-pair encoding.
        size: number of subwords, with the blank.
    """

    kind: Annotated[Literal["phonemes", "subwords"], BeforeValidator(_present_kind)] = "phonemes"
    size: int = Field(256, ge=2, le=1 << 20)


class OptimizerSettings(Settings):
    """RAdam with decoupled weight decay; the defaults are those of arXiv 2505.24721.

    Attributes:
        learning_rates: at the start and at the end of each phase.
        phases: share of the training that each phase takes; they sum to 1.
        weight_decay: decoupled.
        gradient_clip: largest norm of a gradient.
    """

    learning_rates: tuple[Annotated[FiniteFloat, Field(le=_LARGEST)], ...] = (7e-6, 5e-4, 5e-5, 1e-7)
    phases: tuple[FiniteFloat, ...] = (0.44, 0.44, 0.12)
    weight_decay: FiniteFloat = Field(1e-2, ge=0, le=_LARGEST)
    gradient_clip: float = Field(1.0, gt=0, le=_LARGEST)

    def rate(self, progress: float) -> float:
        """The rate at a share of the training, from 0 to 1: straight lines between the points."""
        ends = np.concatenate([[0.0], np.cumsum(self.phases)])
        return float(np.interp(progress, ends, self.learning_rates))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.learning_rates) != len(self.phases) + 1:
            raise ValueError(
                f"learning_rates needs one value more than phases has, got {len(self.learning_rates)} and "
                f"{len(self.phases)}"
            )
        if not self.phases or min(self.phases) <= 0 or abs(sum(self.phases) - 1) > 1e-6:
            raise ValueError(f"phases must be above 0 and sum to 1, got {self.phases}")
        if min(self.learning_rates) < 0:
            raise ValueError(f"learning_rates must be 0 or more, got {self.learning_rates}")
        return self


class DistillationSettings(Settings):
    """Learning from the float model that a low-bit model starts from.

    Attributes:
        logits: share of the loss that is the distance to the teacher's distribution of labels or tokens.
        encoder: weight of the relative squared distance to what the teacher's encoder puts out, in nats per target.
        temperature: of both distributions.
        teacher: file of a float recognizer. By default the model that the training starts from, before it is
            quantized.
    """

    logits: float = Field(0.0, ge=0, le=1)
    encoder: float = Field(0.0, ge=0, le=_LARGEST)
    temperature: float = Field(1.0, gt=0, le=1000)
    teacher: PlainText | None = None

    @property
    def has_teacher(self) -> bool:
        """Whether there is anything to learn from a teacher."""
        return self.logits > 0 or self.encoder > 0


class TrainingSettings(Settings):
    """All settings of a training.

    Attributes:
        corpus: name of a prepared corpus, or a folder that holds one.
        dictionaries: files of pronunciations, in addition to that of the corpus.
        method: ``float``; ``quantization-aware``: with fake quantizers of the chip's bits; ``hardware-aware``: every
            step on a new chip (device resampling).
        start: file of a trained recognizer to go on from; None begins with random weights.
        model: a preset (small, medium, paper), sizes of a Conformer, a CTC model of ``transformers``, or a
            sequence-to-sequence model: ``whisper-tiny.en``, one of the Hugging Face hub, or a folder. By default that
            of ``start``, or else ``paper``.
        labels: of the model. By default those of ``start``, or else phonemes.
        augmentation: of the training audio.
        hardware: the chip whose bits the weights have; a preset, a file or a table. Not used in float.
        quantization: settings of quantization-aware training; ``method`` and ``seed`` set device resampling and seed.
            Not used in float.
        annealing: bits and epochs of training at more bits before those of the hardware: ``[[8, 1], [4, 2]]``.
        compensation: whether the weights of each new number of bits are first rounded so that they make up for each
            other's errors, by ``memrix.compensate``; for learned steps.
        resampled_epochs: last epochs, in each step of which a new chip is sampled, as with ``hardware-aware``.
        distillation: what is learned from a float model.
        frozen: patterns of names of layers that are not trained. By default the front end, embedding and output
            layer of a sequence-to-sequence model, and nothing of others.
        optimizer: and its learning rates.
        epochs: passes over the training data.
        seconds_per_batch: of audio.
        average: how many of the best checkpoints are averaged into the result.
        seed: of everything.
        workers: processes that read audio; 0 reads in the training process.
        checkpoint_minutes: how often the state is kept within an epoch.
        precision: of products in training; ``bf16`` needs a GPU, or a CPU with instructions for it.
        accelerator, devices, nodes: as Lightning has them.
    """

    corpus: PlainText = "queen"
    dictionaries: tuple[PlainText, ...] = ()
    method: Method = "float"
    start: PlainText | None = None
    model: ModelChoice | None = None
    labels: LabelSettings | None = None
    augmentation: Augmentation = Augmentation()
    hardware: HardwareTable = Field(default_factory=lambda: Hardware.preset("paper"))
    quantization: QuantizationTable = Quantization(output_quantizers=True)
    annealing: tuple[tuple[Annotated[float, Field(gt=1, le=64)], Annotated[int, Field(ge=1, le=100_000)]], ...] = ()
    resampled_epochs: int = Field(0, ge=0, le=100_000)
    distillation: DistillationSettings = DistillationSettings()
    frozen: tuple[PlainText, ...] | None = None
    optimizer: OptimizerSettings = OptimizerSettings()
    epochs: int = Field(50, ge=1, le=100_000)
    seconds_per_batch: float = Field(180.0, gt=0, le=1e7)
    average: int = Field(5, ge=1, le=1000)
    seed: int = Field(0, ge=0, lt=1 << 63)
    workers: int = Field(0, ge=0, le=1024)
    checkpoint_minutes: float = Field(2.0, gt=0, le=1e7)
    precision: Literal["32", "bf16"] = "32"
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = Field(1, ge=1, le=1 << 16)
    nodes: int = Field(1, ge=1, le=1 << 16)
    compensation: bool = False

    @model_validator(mode="before")
    @classmethod
    def _in_present_names(cls, table: Any) -> Any:  # noqa: ANN401
        return in_present_names(table, SETTINGS)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems = self._idle() if self.method == "float" else self._contradictions()
        if sum(epochs for _, epochs in self.annealing) >= self.epochs and self.annealing:
            problems.append(f"annealing={self.annealing!r} leaves none of {self.epochs} epochs for the final bits")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _idle(self) -> list[str]:
        """Settings that mean nothing in float."""
        names = (
            ("annealing", "compensation", "resampled_epochs")
            if not self.distillation.has_teacher
            else ("annealing", "compensation")
        )
        given = [name for name in names if getattr(self, name)]
        return [f"{name}={getattr(self, name)!r} needs low-bit weights, and the method is 'float'" for name in given]

    def _contradictions(self) -> list[str]:
        """Settings of the quantization that the method or the seed of the training says otherwise."""
        fresh, given = self.method == "hardware-aware", self.quantization
        problems = []
        if self.compensation and not given.learned_steps:
            problems.append(
                "compensation rounds weights to steps that stay where they are; it needs quantization.learned_steps"
            )
        if given.device_resampling and not fresh:
            problems.append(
                f"quantization.device_resampling contradicts method {self.method!r}; a new chip at each step is "
                "method 'hardware-aware'"
            )
        if given.weight_noise and fresh:
            problems.append(
                f"quantization.weight_noise={given.weight_noise} contradicts method {self.method!r}, whose chips "
                "have the noise of real cells; leave it out, or use method 'quantization-aware'"
            )
        if given.seed not in (Quantization.seed, self.seed):
            problems.append(
                f"quantization.seed={given.seed} contradicts seed={self.seed}, which all of a training follows from; "
                "give `seed` alone"
            )
        return problems

    @property
    def optimiser(self) -> OptimizerSettings:
        """Former name of ``optimizer``."""
        warn_renamed("TrainingSettings.optimiser", "TrainingSettings.optimizer")
        return self.optimizer

    @property
    def complete_quantization(self) -> Quantization:
        """The quantization, with what method and seed say of it."""
        return dataclasses.replace(
            self.quantization, device_resampling=self.method == "hardware-aware", seed=self.seed
        )

    @classmethod
    def from_dict(cls, table: Any, source: str = "these settings") -> TrainingSettings:  # noqa: ANN401
        """Settings from a table such as ``tomllib`` reads.

        Raises:
            SettingsError: lists every unknown setting and every wrong value at once.
        """
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            raise SettingsError(f"{source} cannot be used:{listing(problem_lines(error, cls))}") from error

    @classmethod
    def load(cls, name_or_file: str | Path) -> TrainingSettings:
        """Read a recipe of memrix, by its name, or a TOML file; settings that are not given keep their defaults.

        Raises:
            SettingsError: there is no such file, or it is damaged, or lists everything that is wrong with it.
        """
        return cls.from_dict(*read_settings(name_or_file))


__getattr__ = former_names(__name__, {"OptimiserSettings": "OptimizerSettings"})
