"""Integers of few bits as a stream of bits, and the weights that they stand for.

A matrix of low-bit weights is kept as its integers, ``bits`` bits each, and one full scale a row or for all rows: the
weight of the largest integer, from which the quantizer finds the very step that the weights were quantized with.

    rows --weight_step--> step --full_scale--> full scale --+
      |                                                     +--unpacked_rows--> rows of the same integers and step
      +----weight_integers--> integers --pack--> uint8 -----+
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from memrix._support.validation import is_integer, shown
from memrix.errors import CheckpointError, SettingsError
from memrix.quantization.weights import largest_integer

LEAST_BITS, MOST_BITS = 2, 16
_ULPS = (0, -1, 1, -2, 2)  # full scales that are tried, from the likeliest


def pack_integers(integers: Tensor, bits: int) -> Tensor:
    """Symmetric integers one after the other, ``uint8 [ceil(n * bits / 8)]``.

    Each is its lowest bits in two's complement, least significant bit first. What is left of the last byte is 0.

    Args:
        integers: of any shape, from ``-(2**(bits - 1) - 1)`` to ``2**(bits - 1) - 1``.
        bits: of each, 2 to 16.

    Raises:
        SettingsError: ``bits`` is no such number, or an integer needs more.
    """
    limit = _largest(bits)
    if integers.is_floating_point() or integers.is_complex() or integers.dtype == torch.bool:
        raise SettingsError(f"expected integers, such as weight_integers gives, got {integers.dtype}")
    flat = integers.detach().cpu().flatten().to(torch.int64)
    if bool((flat.abs() > limit).any()):
        raise SettingsError(
            f"integers of {bits} bits lie between -{limit} and {limit}, got {int(flat[flat.abs().argmax()])}; "
            "pack them at more bits"
        )
    words = (flat.numpy() & ((1 << bits) - 1)).astype("<u2")
    each = np.unpackbits(words.view(np.uint8).reshape(-1, 2), axis=1, bitorder="little")[:, :bits]
    return torch.from_numpy(np.packbits(each.reshape(-1), bitorder="little"))


def unpack_integers(packed: Tensor, bits: int, count: int) -> Tensor:
    """The integers, int32 ``[count]``, that ``pack_integers`` packed.

    Raises:
        SettingsError: ``bits`` is not 2 to 16.
        CheckpointError: these are not so many integers of so many bits.
    """
    limit = _largest(bits)
    expected = -(-count * bits // 8)
    if packed.dtype != torch.uint8 or packed.shape != (expected,):
        raise CheckpointError(
            f"{count} integers of {bits} bits are a uint8 tensor of {expected} bytes, got {packed.dtype} "
            f"{list(packed.shape)}"
        )
    stream = np.unpackbits(packed.cpu().numpy(), bitorder="little")
    if stream[count * bits :].any():
        raise CheckpointError("the bits after the last packed integer are not 0")
    digits = stream[: count * bits].reshape(count, bits)
    integers = digits[:, -1].astype(np.int32) * -(1 << (bits - 1))  # two's complement
    for place in range(bits - 1):
        integers += digits[:, place].astype(np.int32) << place
    if (integers < -limit).any():
        raise CheckpointError(f"a packed integer of {bits} bits is {-limit - 1}, and none is below {-limit}")
    return torch.from_numpy(integers)


def full_scale(step: Tensor, bits: float) -> Tensor:
    """Weight of the largest integer, float32 shaped as ``step``; divided by that integer, it is the step.

    A step that ``weight_step`` gave has one. Any other, such as a learned one, gets the nearest.
    """
    limit = largest_integer(bits)
    product = step.detach().float() * limit
    found = product
    for ulps in reversed(_ULPS):
        candidate = product
        for _ in range(abs(ulps)):
            candidate = torch.nextafter(candidate, torch.full_like(candidate, torch.inf if ulps > 0 else 0.0))
        found = torch.where(candidate / limit == step, candidate, found)
    return found


def unpacked_rows(integers: Tensor, scale: Tensor, bits: float) -> Tensor:
    """Rows, float32 ``[outputs, inputs]``, that ``weight_step`` and ``weight_integers`` turn into ``integers`` again.

    Args:
        integers: ``[outputs, inputs]``.
        scale: as ``full_scale`` gives it, ``[1]`` or ``[outputs]``.
        bits: of each integer.
    """
    limit = largest_integer(bits)
    step = (scale / limit).view(-1, 1)
    # Not limit * step, which rounding may put beside the full scale, and its step beside the step.
    ends = integers.sign() * scale.view(-1, 1)
    return torch.where(integers.abs() == limit, ends, integers * step)


def _largest(bits: object) -> int:
    if not is_integer(bits) or not LEAST_BITS <= bits <= MOST_BITS:  # type: ignore[operator]
        raise SettingsError(f"packed integers have from {LEAST_BITS} to {MOST_BITS} bits, got {shown(bits)}")
    return largest_integer(bits)  # type: ignore[arg-type]
