"""What a crossbar is given to multiply: codes of its DAC, or numbers of its rows, checked."""

from __future__ import annotations

import torch
from torch import Tensor

from memrix.crossbar.converters import DAC
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
    if torch.compiler.is_compiling() or not codes.numel():
        return  # a graph cannot look at values
    lowest, highest = (float(end) for end in codes.detach().aminmax())
    # NaN is within no bounds.
    if not (-largest <= lowest and highest <= largest):
        raise InputError(
            f"the crossbar of layer {name!r} was given codes from {lowest:g} to {highest:g}, which its DAC does not "
            f"have; {fix}"
        )
    if codes.is_floating_point() and not bool((codes == codes.round()).all()):
        raise InputError(f"the crossbar of layer {name!r} was given fractions of DAC codes; {fix}")


def require_vectors(codes: Tensor, layout: Layout, name: str) -> None:
    """Raise InputError unless vectors ``[groups, ..., inputs]`` suit the matrices of a crossbar."""
    groups, inputs = codes.shape[0], codes.shape[-1]
    if (groups, inputs) != (layout.groups, layout.inputs):
        raise InputError(
            f"the crossbar of layer {name!r} holds {layout.groups} matrices of {layout.inputs} inputs, "
            f"got vectors for {groups} of {inputs}; give inputs of the shape that the layer was made for"
        )


def require_rows(rows: Tensor, layout: Layout, name: str) -> None:
    """Raise InputError unless these are numbers of rows, int64 ``[vectors]``."""
    if not isinstance(rows, Tensor) or rows.dtype != torch.int64 or rows.dim() != 1:
        raise InputError(f"rows of layer {name!r} are looked up by int64 numbers [vectors], got {described(rows)}")
    if torch.compiler.is_compiling() or not rows.numel():
        return
    lowest, highest = (int(end) for end in rows.aminmax())
    if lowest < 0 or highest >= layout.inputs:
        raise InputError(f"layer {name!r} holds {layout.inputs} rows, got numbers from {lowest} to {highest}")
