"""The state of a quantized model in the space that its bits take: low-bit weights as packed integers.

In place of a weight ``name`` there are three tensors:

- ``name.integers``: its integers in the order of its matrix, row by row, as ``quantization.packing`` packs them;
- ``name.full_scale``: the weight of the largest integer, float32, one for all rows or one for each;
- ``name.bits``: of each integer, a scalar.

    model --pack_weights--> tensors --safetensors--> file --> tensors --unpack_weights--> state_dict of such a model
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from memrix._support.validation import shown
from memrix.errors import CheckpointError, ConversionError, MemrixError
from memrix.nn.composite import Projection
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.keys import STATE
from memrix.nn.quantized import QuantizedLayer
from memrix.quantization import weight_integers, weight_step
from memrix.quantization.packing import (
    LEAST_BITS,
    MOST_BITS,
    full_scale,
    pack_integers,
    unpack_integers,
    unpacked_rows,
)

INTEGERS, FULL_SCALE, BITS = "integers", "full_scale", "bits"
_PARTS = (INTEGERS, FULL_SCALE, BITS)


def pack_weights(model: nn.Module, *, other_bits: int | None = None) -> dict[str, Tensor]:
    """The ``state_dict`` of a model with the weights of its quantized layers as packed integers, on the CPU.

    Unpacked, they are quantized to the same integers with the same steps: in evaluation the model gives the same
    outputs, as far as other tensors allow. What lies between the integers is lost, which training lives on. Other
    float32 tensors are kept at half precision, but for ranges and steps, numbers that float16 does not hold, and
    weights that are rows of a larger parameter, as in the layers of an LSTM.

    Args:
        model: as ``memrix.quantize`` gave it, or a float model.
        other_bits: of the other weights of two or more axes, packed with one scale for each entry of the first axis:
            each changes by at most ``1 / (2**other_bits - 2)`` of the largest of its row. None: half precision.

    Raises:
        ConversionError: the model runs on a chip, or a weight is NaN or infinite.
        SettingsError: ``other_bits`` is not 2 to 16.
    """
    if any(isinstance(module, CrossbarLayer) for module in model.modules()):
        raise ConversionError("this model runs on a chip; memrix.save keeps its cells")
    packed: dict[str, Tensor] = {}
    layers = _quantized_weights(model)
    rows_of_larger = _parameters_of_projections(model)
    for name, value in model.state_dict().items():
        layer = layers.get(name)
        if layer is not None:
            packed |= _packed_layer(name, layer)
        elif id(model.get_parameter(name) if _is_parameter(model, name) else None) in rows_of_larger:
            packed[name] = value.detach().cpu()
        elif other_bits is not None and _is_parameter(model, name) and value.dim() > 1 and value.is_floating_point():
            packed |= _packed(name, value.detach().float().flatten(1), other_bits, "per-output-channel", "abs-max")
        else:
            packed[name] = _at_half_precision(name, value.detach().cpu())
    return packed


def unpack_weights(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A ``state_dict`` for ``model.load_state_dict`` from what ``pack_weights`` gave; other tensors as they are.

    Args:
        model: of the same architecture, quantized for the same bits. It is not touched.
        tensors: by their names.

    Raises:
        CheckpointError: lists every packed weight that is damaged, or of another model.
    """
    own = model.state_dict()
    layers = _quantized_weights(model)
    problems: list[str] = []
    unpacked = dict(tensors)
    for name in _packed_names(tensors, own):
        parts = {part: unpacked.pop(f"{name}.{part}", None) for part in _PARTS}
        try:
            unpacked[name] = _unpacked(own[name], layers.get(name), parts)
        except MemrixError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise CheckpointError("these packed weights cannot be unpacked:\n  " + "\n  ".join(problems))
    return unpacked


def _quantized_weights(model: nn.Module) -> dict[str, QuantizedLayer]:
    """Quantized layers that hold a weight themselves, by its name in the ``state_dict``."""
    return {
        f"{path}.weight" if path else "weight": module
        for path, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, QuantizedLayer) and module._parameters.get("weight") is not None
    }


def _parameters_of_projections(model: nn.Module) -> set[int]:
    modules = (module for module in model.modules() if isinstance(module, QuantizedLayer))
    return {id(module.parameter) for module in modules if isinstance(module, Projection)}


def _is_parameter(model: nn.Module, name: str) -> bool:
    path, _, last = name.rpartition(".")
    return last in model.get_submodule(path)._parameters


def _packed_layer(name: str, layer: QuantizedLayer) -> dict[str, Tensor]:
    state = layer.memrix
    with torch.no_grad():
        matrix = state.geometry.weight_to_matrix(layer, layer.weight.float())
        return _entries(name, matrix, state.weight_step(matrix), state.chip.weight_bits)


def _packed(name: str, rows: Tensor, bits: int, *how: Any) -> dict[str, Tensor]:  # noqa: ANN401
    if not LEAST_BITS <= bits <= MOST_BITS:
        pack_integers(rows.new_zeros(0, dtype=torch.int32), bits)  # which says what is valid
    return _entries(name, rows, weight_step(rows, bits, *how), bits)


def _entries(name: str, matrix: Tensor, step: Tensor, bits: float) -> dict[str, Tensor]:
    if not bool(matrix.isfinite().all()):
        raise ConversionError(
            f"{name} holds NaN or infinite values, which no integer stands for; train or load it again"
        )
    held = max(LEAST_BITS, int(bits))  # 1.5 is the name of ternary weights, of 2 bits
    return {
        f"{name}.{INTEGERS}": pack_integers(weight_integers(matrix, step, bits), held),
        f"{name}.{FULL_SCALE}": full_scale(step, bits).cpu(),
        f"{name}.{BITS}": torch.tensor(held, dtype=torch.uint8),
    }


def _at_half_precision(name: str, value: Tensor) -> Tensor:
    # What memrix keeps on a layer are ranges and steps: a quantizer rounds by them.
    if value.dtype is not torch.float32 or f".{STATE}." in f".{name}":
        return value
    half = value.half()
    return half if bool((half.isfinite() == value.isfinite()).all()) else value


def _packed_names(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Iterator[str]:
    stems = dict.fromkeys(name.rpartition(".")[0] for name in tensors if name.rpartition(".")[2] in _PARTS)
    yield from (stem for stem in stems if stem in own and stem not in tensors)


@dataclass(frozen=True)
class _Expected:
    """The matrix of a weight: its rows and columns, and the weight of a matrix."""

    rows: int
    columns: int
    layer: QuantizedLayer | None
    like: Tensor

    @classmethod
    def of(cls, like: Tensor, layer: QuantizedLayer | None) -> _Expected:
        meta = like.detach().to("meta")
        matrix = meta.flatten(1) if layer is None else layer.memrix.geometry.weight_to_matrix(layer, meta)
        rows, columns = matrix.shape
        return cls(rows, columns, layer, like)

    def weight(self, matrix: Tensor) -> Tensor:
        if self.layer is None:
            return matrix.view(self.like.shape).to(self.like.dtype)
        made: Tensor = self.layer.memrix.geometry.matrix_to_weight(self.layer, matrix)
        return made.to(self.like.dtype)


def _unpacked(like: Tensor, layer: QuantizedLayer | None, parts: Mapping[str, Tensor | None]) -> Tensor:
    integers, scale, bits = (parts[part] for part in _PARTS)
    if integers is None or scale is None or bits is None:
        missing = ", ".join(part for part in _PARTS if parts[part] is None)
        raise CheckpointError(f"{missing} is missing")
    if bits.dtype is not torch.uint8 or bits.dim():
        raise CheckpointError(f"{BITS} must be a uint8 scalar, got {bits.dtype} {list(bits.shape)}")
    if like.dim() < 2 and layer is None:
        raise CheckpointError(f"the model has {list(like.shape)} there, which is no matrix")
    held, expected = int(bits), _Expected.of(like, layer)
    if layer is not None and held != max(LEAST_BITS, int(layer.memrix.chip.weight_bits)):
        raise CheckpointError(
            f"packed at {held} bits, and the layer is quantized for {layer.memrix.chip.weight_bits:g}; quantize the "
            "model for the hardware that it was packed with"
        )
    if scale.dtype is not torch.float32 or scale.shape not in ((1,), (expected.rows,)):
        raise CheckpointError(
            f"{FULL_SCALE} must be float32 of shape [1] or [{expected.rows}], got {scale.dtype} {list(scale.shape)}"
        )
    if not bool((scale.isfinite() & (scale >= 0)).all()):
        broken = scale[~(scale.isfinite() & (scale >= 0))][0]
        raise CheckpointError(f"{FULL_SCALE} must be finite numbers from 0, got {shown(float(broken))}")
    numbers = unpack_integers(integers, held, expected.rows * expected.columns)
    return expected.weight(unpacked_rows(numbers.view(expected.rows, expected.columns), scale.cpu(), held))
