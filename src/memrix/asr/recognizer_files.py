"""Recognizers as files: weights, sizes, labels and how they were trained, in one safetensors file.

A packed file (``memrix_format`` 2 in its metadata) holds the same in the space that the bits of the weights take: see
``memrix.pack_weights`` for its tensors. Packed onto a base (format 3), it leaves out what a pretrained model has too;
a float recognizer (format 4) keeps its differences to the base.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

import memrix
from memrix.asr.bases import base_of, completed, described_onto, require_base, source_of
from memrix.asr.corpus import listing
from memrix.asr.former import present_tensors
from memrix.asr.recognizer_schema import described_recognizer
from memrix.asr.speech_model import SpeechModel
from memrix.errors import CheckpointError
from memrix.toolkit import FileKind, content_digest, file_path, former_names, read_archive, write_archive

FLOAT_BITS = 11
"""Of the weights of a packed float recognizer, which change by at most 1/2046 of the largest of their output."""
DIFFERENCE_BITS = 4
"""Of the difference of a packed float recognizer to its base, in steps of a seventh of the largest of an output."""
PACKED_FORMAT, BASE_FORMAT, DIFFERENCE_FORMAT = 2, 3, 4
_TRAINED = ".safetensors"
_SHOWN = 20  # differences that an error lists
_RECOGNIZER = FileKind("recognizer", "`memrix train`", "`memrix train`")


chip_choice, quantize_recognizer = SpeechModel.chip_choice, SpeechModel.quantize
"""Methods of a model as functions."""


def save_recognizer(
    path: str | Path,
    recognizer: SpeechModel,
    training: Mapping[str, Any] | None = None,
    *,
    packed: bool = False,
    base: SpeechModel | None = None,
) -> None:
    """Write a recognizer.

    Args:
        path: of the ``.safetensors`` file.
        recognizer: its weights, ranges, labels and the statistics of its features.
        training: how it was trained and what it reached, to be read by people and commands.
        packed: whether low-bit weights are written as packed integers, weights of a float recognizer at 11 bits with
            one scale an output, and the rest at half precision. A packed recognizer is to be used; one that training
            is to go on from is better kept whole.
        base: the pretrained model that a packed recognizer was trained from. Of tensors that it has too only a
            SHA-256 is written, of weights of a float recognizer their difference to it at 4 bits, and others in full
            precision; loading needs it.

    Raises:
        CheckpointError: the place cannot be written, or the base is no model that the recognizer was trained from.
        ConversionError: a weight that is to be packed is NaN or infinite.
    """
    tensors: Mapping[str, Tensor] = recognizer.state_dict()
    if packed:
        other_bits, difference_bits = (None, None) if recognizer.is_low_bit else (FLOAT_BITS, DIFFERENCE_BITS)
        tensors = memrix.pack_weights(
            recognizer, other_bits=other_bits, half=base is None, base=base, difference_bits=difference_bits
        )
    description = {"kind": recognizer.kind, **recognizer.description, "training": dict(training or {})}
    if packed and base is not None:
        require_base(base, recognizer, tensors)
        kind = BASE_FORMAT if recognizer.is_low_bit else DIFFERENCE_FORMAT
        write_archive(path, tensors, described_onto(base, description), kind)
    else:
        write_archive(path, tensors, description, PACKED_FORMAT if packed else 1)


def load_recognizer(path: str | Path, *, base: SpeechModel | None = None) -> tuple[SpeechModel, dict[str, Any]]:
    """A recognizer in evaluation mode, on the CPU, and how it was trained.

    Args:
        path: of the file.
        base: the pretrained model that it was packed onto; by default that is loaded by its name.

    Raises:
        CheckpointError: the file is missing, damaged, of a newer version, or no recognizer of memrix; or it was
            packed onto another base.
        AssetError: its base cannot be loaded.
    """
    tensors, description = read_archive(file_path(path, CheckpointError, "the path of a recognizer"), _RECOGNIZER)
    base = base_of(description, str(path), base)
    described = tensors
    if base is not None:
        description, described = completed(description, tensors, base, str(path))
    recognizer, training = described_recognizer(description, described, str(path))
    try:
        tensors = memrix.unpack_weights(recognizer, tensors, base=base)
    except CheckpointError as error:
        what = f"the weights of {str(path)!r} are damaged; write the recognizer again"
        if base is not None:
            what = f"{str(path)!r} cannot be loaded onto {source_of(base)}"
        raise CheckpointError(f"{what}: {error}") from error
    full = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    load_weights(recognizer, full, str(path))
    return recognizer.eval(), training


def open_recognizer(name: str) -> SpeechModel:
    """``whisper-tiny.en``, a folder of ``transformers``, ``owner/name`` on the hub, or a file of ``memrix train``.

    Raises:
        AssetError: unknown name, out of reach, damaged, or no model that transcribes speech.
        CheckpointError: a file that holds no recognizer.
    """
    if not name.endswith(_TRAINED):
        from memrix.asr.seq2seq.pretrained import load_pretrained_seq2seq  # transformers takes seconds to import

        return load_pretrained_seq2seq(name)
    model = load_recognizer(name)[0]
    before = f"; from {model.source}" if model.source else ""
    model.source = f"{Path(name).name}, SHA-256 {recognizer_digest(name)}{before}"
    return model


def recognizer_digest(path: str | Path) -> str:
    """SHA-256 of what a recognizer's file holds, hexadecimal.

    Raises:
        CheckpointError: the file is missing, cut short, of a newer memrix, or not of memrix.
    """
    return content_digest(path, _RECOGNIZER)


def load_weights(recognizer: SpeechModel, tensors: Mapping[str, Tensor], source: str) -> None:
    """Take weights over.

    Raises:
        CheckpointError: they are of another architecture; every difference is listed.
    """
    tensors = present_tensors(tensors)
    own = recognizer.state_dict()
    problems = [f"{name} is missing" for name in own if name not in tensors]
    problems += [f"{name} has no place" for name in tensors if name not in own]
    problems += [
        f"{name} has shape {list(tensors[name].shape)}, expected {list(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    problems += [
        f"{name} is of {tensors[name].dtype}, expected {own[name].dtype}"
        for name in own
        if name in tensors and tensors[name].is_floating_point() != own[name].is_floating_point()
    ]
    if problems:
        raise CheckpointError(f"the weights of {source} are of another architecture:{listing(problems, _SHOWN)}")
    recognizer.load_state_dict(tensors)


__getattr__ = former_names(__name__, {"new_recognizer": "memrix.asr.recognizer.new_recognizer"})
