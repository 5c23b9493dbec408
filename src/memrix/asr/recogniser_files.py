"""Recognisers as files: weights, sizes, labels and how they were trained, in one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import memrix
from memrix.archive import FileKind, content_digest, read_archive, write_archive
from memrix.asr.labels import Labels, PhonemeLabels, PieceLabels
from memrix.asr.models.building import build_network
from memrix.asr.models.settings import ModelSettings, model_settings
from memrix.asr.recogniser import Recogniser
from memrix.errors import CheckpointError, SettingsError
from memrix.hardware import Hardware
from memrix.quantization import Quantization

_KIND = "ctc-recogniser"
_RECOGNIZER = FileKind("recognizer", "`memrix train`", "`memrix train`")
_LABELS: dict[str, type[PhonemeLabels] | type[PieceLabels]] = {"phonemes": PhonemeLabels, "pieces": PieceLabels}


def new_recogniser(model: ModelSettings, labels: Labels) -> Recogniser:
    """A recogniser with random weights, drawn from torch's generator."""
    network = build_network(model, len(labels.symbols))
    recogniser = Recogniser(network, labels)
    settings = network.rebuilding_settings().model_dump(mode="json")
    recogniser.description = {"model": settings, "labels": labels.description()}
    return recogniser


def chip_choice(recogniser: Recogniser, hardware: Hardware) -> dict[str, Hardware | None]:
    """Which layers go to that hardware: all but those that the paper leaves digital."""
    return {"*": hardware, **dict.fromkeys(recogniser.network.digital_layers)}


def quantize_recogniser(recogniser: Recogniser, hardware: Hardware, quantization: Quantization) -> None:
    """Put fake quantisers into the layers that the paper has on memristors; the description says so."""
    memrix.quantize(recogniser.network, chip_choice(recogniser, hardware), quantization)
    recogniser.description["hardware"] = hardware.to_dict()
    recogniser.description["quantization"] = asdict(quantization)


def save_recogniser(
    path: str | Path, recogniser: Recogniser, training: Mapping[str, Any] | None = None, *, half: bool = False
) -> None:
    """Write a recogniser.

    Args:
        path: of the ``.safetensors`` file.
        recogniser: its weights, ranges, labels and the statistics of its features.
        training: how it was trained and what it reached, to be read by people and commands.
        half: whether weights take half of the space, at half precision.

    Raises:
        CheckpointError: the place cannot be written.
    """
    tensors: dict[str, Tensor] = dict(recogniser.state_dict())
    if half:
        tensors = {name: value.half() if value.dtype is torch.float32 else value for name, value in tensors.items()}
    write_archive(path, tensors, {"kind": _KIND, **recogniser.description, "training": dict(training or {})})


def load_recogniser(path: str | Path) -> tuple[Recogniser, dict[str, Any]]:
    """A recogniser in evaluation mode, on the CPU, and how it was trained.

    Raises:
        CheckpointError: the file is missing, damaged, of a newer version, or no recogniser of memrix.
    """
    tensors, description = read_archive(path, _RECOGNIZER)
    if description.get("kind") != _KIND:
        raise CheckpointError(f"{str(path)!r} holds no recogniser; expected a file that `memrix train` wrote")
    try:
        labels = _LABELS[description["labels"]["kind"]].from_description(description["labels"])
        recogniser = new_recogniser(model_settings(description["model"]), labels)
        if "hardware" in description:
            quantize_recogniser(
                recogniser, Hardware.from_dict(description["hardware"]), Quantization(**description["quantization"])
            )
    except (KeyError, TypeError, ValueError, SettingsError) as error:
        raise CheckpointError(
            f"{str(path)!r} describes a recogniser that this memrix cannot build ({error}); it may be of a newer one"
        ) from error
    load_weights(
        recogniser,
        {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()},
        str(path),
    )
    return recogniser.eval(), dict(description.get("training", {}))


def recogniser_digest(path: str | Path) -> str:
    """SHA-256 of what a recognizer's file holds, hexadecimal.

    Raises:
        CheckpointError: the file is missing, cut short, of a newer memrix, or not of memrix.
    """
    return content_digest(path, _RECOGNIZER)


def load_weights(recogniser: Recogniser, tensors: Mapping[str, Tensor], source: str) -> None:
    """Take weights over.

    Raises:
        CheckpointError: they are of another architecture; every difference is listed.
    """
    own = recogniser.state_dict()
    problems = [f"{name} is missing" for name in own if name not in tensors]
    problems += [f"{name} has no place" for name in tensors if name not in own]
    problems += [
        f"{name} has shape {list(tensors[name].shape)}, expected {list(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    if problems:
        shown = "\n  ".join(problems[:20]) + (f"\n  and {len(problems) - 20} more" if len(problems) > 20 else "")
        raise CheckpointError(f"the weights of {source} are of another architecture:\n  {shown}")
    recogniser.load_state_dict(dict(tensors))
