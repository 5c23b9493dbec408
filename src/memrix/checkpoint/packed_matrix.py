"""One matrix of low-bit weights as three tensors: packed integers, full scales, bits."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from memrix._support.validation import shown
from memrix.errors import CheckpointError, ConversionError
from memrix.quantization import weight_integers
from memrix.quantization.packing import LEAST_BITS, full_scale, pack_integers, unpack_integers, unpacked_rows

INTEGERS, FULL_SCALE, BITS = "integers", "full_scale", "bits"
PARTS = (INTEGERS, FULL_SCALE, BITS)

Parts = Mapping[str, Tensor | None]


def held_bits(bits: float) -> int:
    """Bits that each packed integer takes: 1.5 is the name of ternary weights, which take 2."""
    return max(LEAST_BITS, int(bits))


def parts_of(name: str, matrix: Tensor, step: Tensor, bits: float) -> dict[str, Tensor]:
    """The parts of a matrix ``[outputs, inputs]`` that is quantized with steps ``[1]`` or ``[outputs]``.

    Raises:
        ConversionError: a weight is NaN or infinite.
    """
    if not bool(matrix.isfinite().all()):
        raise ConversionError(
            f"{name} holds NaN or infinite values, which no integer stands for; train or load it again"
        )
    return {
        INTEGERS: pack_integers(weight_integers(matrix, step, bits), held_bits(bits)),
        FULL_SCALE: full_scale(step, bits).cpu(),
        BITS: torch.tensor(held_bits(bits), dtype=torch.uint8),
    }


def matrix_of(parts: Parts, shape: tuple[int, int], bits: float | None) -> Tensor:
    """The matrix, float32 of ``shape`` ``[outputs, inputs]``, that ``parts_of`` took apart.

    Args:
        parts: by their names.
        shape: of the matrix.
        bits: that the layer is quantized for; None where it is not.

    Raises:
        CheckpointError: a part is missing or damaged, or is of another matrix.
    """
    integers, scale, held = (parts.get(part) for part in PARTS)
    if integers is None or scale is None or held is None:
        missing = ", ".join(part for part in PARTS if parts.get(part) is None)
        raise CheckpointError(f"{missing} is missing")
    if held.dtype is not torch.uint8 or held.dim():
        raise CheckpointError(f"{BITS} must be a uint8 scalar, got {held.dtype} {list(held.shape)}")
    if bits is not None and int(held) != held_bits(bits):
        raise CheckpointError(
            f"packed at {int(held)} bits, and the layer is quantized for {bits:g}; quantize the model for the "
            "hardware that it was packed with"
        )
    rows, columns = shape
    if scale.dtype is not torch.float32 or scale.shape not in ((1,), (rows,)):
        raise CheckpointError(
            f"{FULL_SCALE} must be float32 of shape [1] or [{rows}], got {scale.dtype} {list(scale.shape)}"
        )
    if not bool((scale.isfinite() & (scale >= 0)).all()):
        broken = scale[~(scale.isfinite() & (scale >= 0))][0]
        raise CheckpointError(f"{FULL_SCALE} must be finite numbers from 0, got {shown(float(broken))}")
    numbers = unpack_integers(integers, int(held), rows * columns)
    return unpacked_rows(numbers.view(rows, columns), scale.cpu(), int(held))
