"""What the file of a recognizer may say, checked before a network is built or memory taken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor

from memrix import Hardware, Quantization
from memrix.asr.labels import BLANK, Labels, PhonemeLabels, SubwordLabels
from memrix.asr.labels.subwords import require_own_tokenizer
from memrix.asr.models.building import build_network
from memrix.asr.models.conformer import ConformerSettings
from memrix.asr.models.settings import ModelSettings, model_settings
from memrix.asr.outside import PlainText, Schema, told
from memrix.errors import CheckpointError, DataError, MemrixError
from memrix.toolkit import shown

KIND = "ctc-recogniser"  # as the files of all versions spell it
_MOST_LABELS = 1 << 20
_RANGES = ("input_range", "output_range")
"""Scalars that are NaN where no range was found."""

Symbol = Annotated[PlainText, Field(min_length=1, max_length=1000)]


class _Phonemes(Schema):
    kind: Literal["phonemes"]
    phonemes: list[Symbol] = Field(min_length=1, max_length=_MOST_LABELS)
    pronunciations: dict[Symbol, list[PlainText]]


class _Subwords(Schema):
    kind: Literal["subwords", "pieces"]  # the former name of an earlier version
    tokenizer: PlainText


class _Description(Schema):
    kind: Literal["ctc-recogniser"]
    model: dict[str, Any]
    labels: _Phonemes | _Subwords = Field(discriminator="kind")
    hardware: dict[str, Any] | None = None
    quantization: dict[str, Any] | None = None
    training: dict[str, Any] = Field(default_factory=dict)


_DESCRIPTION: TypeAdapter[_Description] = TypeAdapter(_Description)


class CheckedDescription:
    """The description of a recognizer's file, of which everything can be built.

    Attributes:
        model: of the network.
        labels: the inventory.
        hardware, quantization: of low-bit weights; None in float.
        training: how it was trained, for people.

    Raises:
        CheckpointError: lists what cannot be.
    """

    def __init__(self, description: object, tensors: Mapping[str, Tensor], source: str) -> None:
        self._source = source
        if not isinstance(description, dict) or description.get("kind") != KIND:
            raise CheckpointError(f"{source!r} holds no recognizer; expected a file that `memrix train` wrote")
        try:
            checked = _DESCRIPTION.validate_python(description)
            self.model: ModelSettings = model_settings(checked.model)
            self.labels: Labels = _labels(description["labels"])
            self.hardware, self.quantization = _low_bit(checked)
            _require_sound(tensors)
            _require_fit(self.model, self.labels, tensors)
        except ValidationError as error:
            raise self._refused(told(error)) from error
        except (MemrixError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise self._refused(error) from error
        self.training = checked.training

    def _refused(self, reason: object) -> CheckpointError:
        return CheckpointError(
            f"{self._source!r} describes a recognizer that this memrix cannot build ({reason}); it may be "
            "from a newer memrix, or damaged"
        )


def _labels(table: Mapping[str, Any]) -> Labels:
    if table["kind"] != "phonemes":
        require_own_tokenizer(table["tokenizer"])
        labels: Labels = SubwordLabels.from_description(table)
    else:
        labels = PhonemeLabels.from_description(table)
    if labels.symbols[0] != BLANK or len(set(labels.symbols)) < len(labels.symbols):
        raise DataError(f"labels must each occur once, {BLANK} first")
    return labels


def _low_bit(checked: _Description) -> tuple[Hardware | None, Quantization | None]:
    hardware, quantization = checked.hardware, checked.quantization
    if hardware is None and quantization is None:
        return None, None
    if hardware is None or quantization is None:
        raise DataError("hardware and quantization must both be given, or neither in float")
    return Hardware.from_dict(hardware), Quantization.from_dict(quantization)


def _require_sound(tensors: Mapping[str, Tensor]) -> None:
    """Numbers that a network computes with: finite ones, and deviations above 0."""
    for name, value in tensors.items():
        if value.is_complex():
            raise DataError(f"{name} holds complex numbers")
        if not value.is_floating_point():
            continue
        is_range = value.ndim == 0 and name.rpartition(".")[2] in _RANGES
        if is_range and bool(value < 0):
            raise DataError(f"{name} is a range below 0")
        unknown = is_range and bool(value.isnan())
        if not unknown and not bool(value.float().isfinite().all()):
            raise DataError(f"{name} holds values that are not finite numbers")
        if name == "deviation" and not bool((value > 0).all()):
            raise DataError(f"{name} holds values that are not above 0, and features are divided by them")


def _require_fit(model: ModelSettings, labels: Labels, tensors: Mapping[str, Tensor]) -> None:
    """No larger architecture than there are weights for: found without taking memory for it."""
    if isinstance(model, ConformerSettings) and model.blocks > len(tensors):
        raise DataError(f"its model has {model.blocks} blocks, and the file {len(tensors)} tensors")
    if not isinstance(model, ConformerSettings) and model.checkpoint is not None:
        raise DataError(
            f"its model is to be fetched from {shown(model.checkpoint)}; a recognizer contains its weights"
        )
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        declared = sum(value.numel() for value in build_network(model, len(labels.symbols)).parameters())
    # A byte of packed integers holds four at most.
    held = sum(math.prod(value.shape) * (4 if value.dtype is torch.uint8 else 1) for value in tensors.values())
    if declared > held:
        raise DataError(f"its model has {declared} weights, and the file {held} values")
