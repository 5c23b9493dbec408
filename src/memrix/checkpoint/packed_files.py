"""Quantized models as files: packed integers, and what describes a chip apart from its cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import memrix
from memrix._support.archive import write_archive
from memrix._support.schema import Count, read
from memrix._support.validation import shown
from memrix.checkpoint.base import SHA256, Base, name_of, weights_of
from memrix.checkpoint.description import ChipDescription
from memrix.checkpoint.differences import digital_state
from memrix.checkpoint.packable import candidate_weights, quantized_weights
from memrix.checkpoint.packed_matrix import INTEGERS
from memrix.checkpoint.packing import of_quantizer, pack_weights, unpacked
from memrix.checkpoint.soundness import described_with, require_sound
from memrix.errors import CheckpointError, SettingsError
from memrix.model.inventory import candidate_layers

PACKED = "packed"  # in the description of a file: how it is packed
_PACKED_FORMAT, _BASE_FORMAT = 2, 3  # of archives


@dataclass(frozen=True)
class Packing:
    """How the file of a quantized model is packed.

    Attributes:
        base: name of the weights whose tensors are not stored; None where all are.
        shapes: of what holds packed weights, by its name.
    """

    base: str | None
    shapes: dict[str, tuple[Count, ...]]


def save_packed(model: nn.Module, path: str | Path, *, half: bool, base: Base | None, base_name: str) -> None:
    """Save a quantized model, as ``memrix.save`` says.

    Raises:
        CheckpointError: the file of the base cannot be read, or this one not written; or a tensor cannot be stored.
        ConversionError: a weight is NaN or infinite, or its integers would not come back.
    """
    weights = quantized_weights(model)
    if not isinstance(base_name, str) or (base_name and base is None):
        raise SettingsError(f"base_name is the name of a base, got {shown(base_name)} and no base")
    known = {} if base is None else weights_of(base)
    tensors = pack_weights(model, half=half, base=known)
    state = {name: value.detach() for name, value in digital_state(model).items()}
    types = {name: value.dtype for name, value in state.items()}
    whole = _at_single_precision(unpacked(state, weights, tensors, known, types), types)
    description = described_with(ChipDescription.of(model, memrix.__version__), whole)
    require_sound(whole, description, "what is to be saved")
    lent = any(name.endswith(f".{SHA256}") and name not in state for name in tensors)
    packing = Packing(
        base=(base_name or name_of(base)) if base is not None and lent else None,
        shapes={
            weight.parameter: tuple(state[weight.parameter].shape)
            for name, weight in weights.items()
            if f"{name}.{INTEGERS}" in tensors
        },
    )
    content = {**description.to_dict(), PACKED: asdict(packing)}
    write_archive(path, tensors, content, _BASE_FORMAT if packing.base is not None else _PACKED_FORMAT)


def unpacked_file(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    packing: Packing,
    description: ChipDescription,
    path: str | Path,
) -> dict[str, Tensor]:
    """All tensors of a packed file, in the types that they had in the model.

    Args:
        model: with the weights of the base.
        tensors: of the file.
        packing: of the file.
        description: of the model that was saved.
        path: for messages.

    Raises:
        CheckpointError: they are damaged, or of another model or base.
    """
    candidates = candidate_layers(model)
    bits = {name: layer.hardware.weight_bits for name, layer in description.layers.items()}
    state: dict[str, Tensor] = model.state_dict()
    differences = [*_other_shapes(packing, state)]
    if differences:
        raise CheckpointError(f"{str(path)!r} holds another model than the one given:\n  " + "\n  ".join(differences))
    types = {
        name: kind
        for name, text in description.types.items()
        if isinstance(kind := getattr(torch, text, None), torch.dtype)
    }
    try:
        found = unpacked(state, candidate_weights(model, candidates, bits), tensors, state, types)
    except CheckpointError as error:
        onto = (
            ""
            if packing.base is None
            else (f"; it was packed onto the base {shown(packing.base)}: give memrix.load a model with these weights")
        )
        raise CheckpointError(f"{str(path)!r} cannot be unpacked into this model: {error}{onto}") from error
    return _at_single_precision(found, types)


def _other_shapes(packing: Packing, state: Mapping[str, Tensor]) -> Iterator[str]:
    for name, shape in packing.shapes.items():
        if name not in state:
            yield f"tensor {shown(name)} is not in the model"
        elif state[name].shape != shape:
            yield f"tensor {shown(name)} is {list(shape)} in the file and {list(state[name].shape)} in the model"


def packing_of(plain: dict[str, Any], path: str | Path) -> Packing | None:
    """How a file is packed, by its description, from which this is taken out; None where it is not.

    Raises:
        CheckpointError: the description is not of memrix.
    """
    if PACKED not in plain:
        return None
    try:
        return read(Packing, plain.pop(PACKED), complete=True)
    except ValueError as error:
        raise CheckpointError(f"the packing of {str(path)!r} is none that memrix wrote:\n  {error}") from error


def _at_single_precision(tensors: Mapping[str, Tensor], types: Mapping[str, torch.dtype]) -> dict[str, Tensor]:
    """Tensors that were stored at half precision in the type that they had in the model."""
    return {
        name: value.float()
        if (value.dtype, types.get(name)) == (torch.float16, torch.float32) and not of_quantizer(name)
        else value
        for name, value in tensors.items()
    }
