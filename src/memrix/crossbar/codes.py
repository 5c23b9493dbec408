"""What a crossbar is given to multiply: codes of its DAC, or numbers of its rows, checked."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from memrix._support.torch_internals import require_later
from memrix.crossbar.dac import DAC
from memrix.crossbar.mapping import Layout
from memrix.device.arguments import described
from memrix.errors import InputError


def require_codes(codes: Tensor, dac: DAC, dimensions: int, name: str) -> None:
    """Raise InputError unless these are DAC codes: whole numbers within the range of the converter.

    Args:
        codes: of any real type.
        dac: of the crossbar.
        dimensions: that the tensor must have.
        name: of the layer, in messages.
    """
    largest = dac.largest_code
    fix = f"give whole numbers from {-largest} to {largest}, as dac.codes makes them of activations"
    if not isinstance(codes, Tensor) or codes.is_complex() or codes.dtype == torch.bool or codes.dim() != dimensions:
        raise InputError(
            f"the crossbar of layer {name!r} takes DAC codes in a tensor of {dimensions} axes, got "
            f"{described(codes)}; {fix}"
        )
    if not codes.numel():
        return
    lowest, highest = (float(end) for end in codes.detach().aminmax())
    # NaN is within no bounds.
    if not (-largest <= lowest and highest <= largest):
        raise InputError(
            f"the crossbar of layer {name!r} was given codes from {lowest:g} to {highest:g}, which its DAC does not "
            f"have; {fix}"
        )
    if codes.is_floating_point() and not bool((codes == codes.round()).all()):
        raise InputError(f"the crossbar of layer {name!r} was given fractions of DAC codes; {fix}")


def require_vectors(windows: Tensor, vector_axes: int, layout: Layout, name: str) -> None:
    """Raise InputError unless vectors ``[groups, *vectors, *inputs]`` suit the matrices of a crossbar."""
    groups, inputs = windows.shape[0], math.prod(windows.shape[1 + vector_axes :])
    if (groups, inputs) != (layout.groups, layout.inputs):
        raise InputError(
            f"the crossbar of layer {name!r} holds {layout.groups} matrices of {layout.inputs} inputs, "
            f"got vectors for {groups} of {inputs}; give inputs of the shape that the layer was made for"
        )


def require_finite(windows: Tensor, name: str) -> None:
    """Raise InputError unless vectors are finite."""
    _require(torch.isfinite(windows).all(), lambda: not_finite(name))


def require_rows(rows: Tensor, count: int, name: str) -> None:
    """Raise InputError unless there are rows of these numbers."""

    def beyond() -> InputError:
        if rows.device.type != "cpu":
            return InputError(f"layer {name!r} holds {count} rows, and was given an index beyond them")
        lowest, highest = (int(end) for end in rows.aminmax())
        return InputError(f"layer {name!r} holds {count} rows, got indices from {lowest} to {highest}")

    _require(((rows >= 0) & (rows < count)).all(), beyond)


def not_finite(name: str) -> InputError:
    """The error of an input that is not finite."""
    return InputError(
        f"the input of layer {name!r} holds NaN or infinite values, which a DAC cannot convert; "
        f"look at the layers before it, or at the data"
    )


def _require(holds: Tensor, error: Callable[[], InputError]) -> None:
    if holds.device.type != "cpu":
        require_later(holds, str(error()))  # on the device: nothing waits for it
    elif not bool(holds):
        raise error()
