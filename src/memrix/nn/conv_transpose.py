"""Transposed convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from memrix.errors import InputError
from memrix.nn.conv import require_channels
from memrix.nn.geometry import Geometry, name_of


class TransposedConvolutionGeometry(Geometry):
    """Each input position is a vector over the channels; every output channel and place of the kernel is a column.

    What the columns read is added up digitally where kernels overlap, as it would be on a chip: no input is ever
    stuffed with zeros. Every column has its own weight scale if the hardware has one per output. The shape of
    the output is that of ``output_padding``, or the ``output_size`` of a call.
    """

    arguments = ("input", "output_size")

    def groups(self, layer: Any) -> int:
        """Groups of channels."""
        return int(layer.groups)

    def weight_to_matrix(self, layer: Any, weight: Tensor) -> Tensor:
        """``[out_channels * kernel, in_channels / groups]``."""
        grouped = weight.reshape(layer.groups, layer.in_channels // layer.groups, -1)
        return grouped.transpose(1, 2).reshape(-1, layer.in_channels // layer.groups)

    def matrix_to_weight(self, layer: Any, matrix: Tensor) -> Tensor:
        """``[in_channels, out_channels / groups, *kernel]``."""
        grouped = matrix.reshape(layer.groups, -1, layer.in_channels // layer.groups)
        return grouped.transpose(1, 2).reshape(layer.weight.shape)

    def unfold(self, layer: Any, values: Tensor) -> Tensor:
        """``[groups, batch, positions, in_channels / groups]``."""
        axes = len(layer.kernel_size)
        require_channels(layer, values, axes)
        batched = values if values.dim() == axes + 2 else values.unsqueeze(0)
        positions = batched.shape[2:].numel()
        split = batched.reshape(batched.shape[0], layer.groups, layer.in_channels // layer.groups, positions)
        return split.permute(1, 0, 3, 2)

    def fold(self, layer: Any, results: Tensor, shape: torch.Size, **options: Any) -> Tensor:
        """``[batch, out_channels, *positions]``, or without the batch axis where the input had none."""
        axes = len(layer.kernel_size)
        batch = results.shape[1]
        columns = results.permute(1, 0, 3, 2).flatten(1, 2)
        # torch folds over two axes: a missing one has one place.
        missing = [1] * (2 - axes)
        sizes = shape[-axes:]
        axes_of = zip(sizes, layer.stride, layer.dilation, layer.kernel_size, strict=True)
        full = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in axes_of]
        output = nn.functional.fold(
            columns,
            (*missing, *full),
            (*missing, *layer.kernel_size),
            dilation=(*missing, *layer.dilation),
            stride=(*missing, *layer.stride),
        )
        output = output.view(batch, layer.out_channels, *full)
        beyond = _beyond(layer, shape, **options)
        for axis in range(axes):
            start = int(layer.padding[axis])
            stop = full[axis] - start + beyond[axis]
            output = _within(output, 2 + axis, start, stop)
        return output if len(shape) == axes + 2 else output.squeeze(0)

    def functional_forward(
        self, layer: Any, input: Tensor, weight: Tensor, bias: Tensor | None, **options: Any
    ) -> Tensor:
        """The transposed convolution with every option of the torch layer."""
        operation = (nn.functional.conv_transpose1d, nn.functional.conv_transpose2d)[len(layer.kernel_size) - 1]
        padding = [int(amount) for amount in layer.padding]
        output: Tensor = operation(
            input,
            weight,
            bias,
            layer.stride,
            padding,
            _beyond(layer, input.shape, **options),
            layer.groups,
            layer.dilation,
        )
        return output

    def broadcast_bias(self, layer: Any, bias: Tensor) -> Tensor:
        """Channels are the axis before those of the positions."""
        return bias.view(-1, *[1] * len(layer.kernel_size))


def _beyond(layer: Any, shape: torch.Size, output_size: Sequence[int] | None = None) -> list[int]:
    """Positions that the output for an input of ``shape`` has at the end of each axis beyond the shortest one."""
    if output_size is None:
        return [int(amount) for amount in layer.output_padding]
    try:
        padding: list[int] = layer._output_padding(
            torch.empty(shape, device="meta"),  # only its shape is read
            list(output_size),
            list(layer.stride),
            [int(amount) for amount in layer.padding],
            list(layer.kernel_size),
            len(layer.kernel_size),
            list(layer.dilation),
        )
        return padding
    except ValueError as error:
        raise InputError(
            f"layer {name_of(layer)!r} cannot give output_size={list(output_size)} for an input of {list(shape)}: "
            f"{error}"
        ) from error


def _within(output: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """A stretch of an axis, with zeros where it reaches beyond: there nothing was multiplied."""
    size = output.shape[axis]
    inner = output.narrow(axis, min(start, size), max(0, min(stop, size) - start))
    beyond = stop - start - inner.shape[axis]
    if not beyond:
        return inner
    amounts = [0, 0] * (output.dim() - 1 - axis) + [0, beyond]
    return nn.functional.pad(inner, amounts)
