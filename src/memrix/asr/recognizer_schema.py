"""What the file of a recognizer may say, checked before a network is built or memory taken."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn

from memrix import Hardware, Quantization
from memrix.asr.labels import BLANK, Labels, PhonemeLabels, SubwordLabels, require_own_tokenizer
from memrix.asr.models.conformer import ConformerSettings
from memrix.asr.models.settings import CtcSettings, Seq2SeqSettings, build_network, model_settings
from memrix.asr.outside import PlainText, Schema, told
from memrix.asr.recognizer import Recognizer, new_recognizer
from memrix.asr.speech_model import SpeechModel
from memrix.errors import CheckpointError, DataError, MemrixError
from memrix.toolkit import shown

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


class RecognizerDescription(Schema, ABC):
    """What all kinds of recognizers say: their bits, and how they were trained, for people."""

    failures: ClassVar[tuple[type[Exception], ...]] = (
        MemrixError,
        ValueError,
        TypeError,
        ArithmeticError,
        RecursionError,
    )
    """What building the model raises where the file cannot be right."""
    kind: str
    hardware: dict[str, Any] | None = None
    quantization: dict[str, Any] | None = None
    training: dict[str, Any] = Field(default_factory=dict)

    @property
    def low_bit(self) -> tuple[Hardware, Quantization] | None:
        """The bits of the weights, and how they were trained; None in float."""
        if self.hardware is None and self.quantization is None:
            return None
        if self.hardware is None or self.quantization is None:
            raise DataError("hardware and quantization must both be given, or neither in float")
        return Hardware.from_dict(self.hardware), Quantization.from_dict(self.quantization)

    @abstractmethod
    def built(self, tensors: Mapping[str, Tensor]) -> SpeechModel:
        """The model with random weights; no larger one than there are tensors for."""


class _CtcDescription(RecognizerDescription):
    kind: Literal["ctc-recogniser"]
    model: dict[str, Any]
    labels: _Phonemes | _Subwords = Field(discriminator="kind")

    def built(self, tensors: Mapping[str, Tensor]) -> SpeechModel:
        model, labels = model_settings(self.model), _labels(self.labels.model_dump())
        if isinstance(model, Seq2SeqSettings):
            raise DataError("its model has no CTC labels")
        _require_fit(model, labels, tensors)
        return new_recognizer(model, labels)


def _description_of(kind: object) -> type[RecognizerDescription] | None:
    if kind == "sequence-to-sequence":
        from memrix.asr.seq2seq.files import Seq2SeqDescription  # imports transformers, which takes seconds

        return Seq2SeqDescription
    return _CtcDescription if kind == Recognizer.kind else None


def described_recognizer(
    description: object, tensors: Mapping[str, Tensor], source: str
) -> tuple[SpeechModel, dict[str, Any]]:
    """The recognizer that a file describes, with random weights and fake quantizers; and how it was trained.

    Raises:
        CheckpointError: lists what cannot be.
    """
    kind = _description_of(description.get("kind")) if isinstance(description, dict) else None
    if kind is None:
        raise CheckpointError(f"{source!r} holds no recognizer; expected a file that `memrix train` wrote")
    try:
        checked = kind.model_validate_json(json.dumps(description))  # whose lists are tuples, too
        low_bit = checked.low_bit
        _require_sound(tensors)
        model = checked.built(tensors)
        if low_bit is not None:
            model.quantize(*low_bit)
        return model, checked.training
    except ValidationError as error:
        reason: object = told(error)
    except kind.failures as error:
        reason = error
    raise CheckpointError(
        f"{source!r} describes a recognizer that this memrix cannot build ({reason}); it may be from a newer memrix, "
        "or damaged"
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


def _require_fit(model: CtcSettings, labels: Labels, tensors: Mapping[str, Tensor]) -> None:
    """No larger architecture than there are weights for: found without taking memory for it."""
    if isinstance(model, ConformerSettings) and model.blocks > len(tensors):
        raise DataError(f"its model has {model.blocks} blocks, and the file {len(tensors)} tensors")
    if not isinstance(model, ConformerSettings) and model.checkpoint is not None:
        raise DataError(
            f"its model is to be fetched from {shown(model.checkpoint)}; a recognizer contains its weights"
        )
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        require_held(build_network(model, len(labels.symbols)), tensors)


def require_held(declared: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Raise DataError for a network of more weights than tensors have values; it may lie on the device ``meta``."""
    values = sum(value.numel() for value in declared.parameters())
    # A byte of packed integers holds four at most.
    held = sum(value.numel() * (4 if value.dtype is torch.uint8 else 1) for value in tensors.values())
    if values > held:
        raise DataError(f"its model has {values} weights, and the file {held} values")
