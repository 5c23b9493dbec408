"""Convolutions over one, two or three axes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from memrix.errors import InputError
from memrix.nn.geometry import Geometry, name_of


class ConvolutionGeometry(Geometry):
    """Convolutions with every option: each window of the input is a vector, each group a separate matrix."""

    def groups(self, layer: Any) -> int:
        """Groups of channels."""
        return int(layer.groups)

    def weight_to_matrix(self, layer: Any, weight: Tensor) -> Tensor:
        """``[out_channels, in_channels / groups * kernel]``."""
        return weight.flatten(1)

    def matrix_to_weight(self, layer: Any, matrix: Tensor) -> Tensor:
        """``[out_channels, in_channels / groups, *kernel]``."""
        return matrix.reshape(layer.weight.shape)

    def windows(self, layer: Any, values: Tensor) -> tuple[Tensor, int]:
        """``[groups, batch, *positions, in_channels / groups, *kernel]``: a view, in which windows overlap."""
        axes = len(layer.kernel_size)
        require_channels(layer, values, axes)
        windows = _padded(layer, values if values.dim() == axes + 2 else values.unsqueeze(0))
        for axis, (kernel, stride, dilation) in enumerate(
            zip(layer.kernel_size, layer.stride, layer.dilation, strict=True), start=2
        ):
            windows = windows.unfold(axis, dilation * (kernel - 1) + 1, stride)[..., ::dilation]
        batch, channels = windows.shape[:2]
        split = windows.view(batch, layer.groups, channels // layer.groups, *windows.shape[2:])
        return split.permute(1, 0, *range(3, 3 + axes), 2, *range(3 + axes, 3 + 2 * axes)), 1 + axes

    def unfold(self, layer: Any, values: Tensor) -> Tensor:
        """``[groups, batch, windows, in_channels / groups * kernel]``: what each output position sees."""
        windows, axes = self.windows(layer, values)
        groups, batch = windows.shape[:2]
        # In memory positions come last: they are the longest runs of neighbors in both.
        inputs_first = windows.permute(0, *range(1 + axes, windows.dim()), *range(1, 1 + axes))
        return inputs_first.reshape(groups, layer.weight[0].numel(), batch, -1).permute(0, 2, 3, 1)

    def fold(self, layer: Any, results: Tensor, shape: torch.Size, **options: Any) -> Tensor:
        """``[batch, out_channels, *positions]``, or without the batch axis where the input had none."""
        axes = len(layer.kernel_size)
        positions = _positions(layer, shape[-axes:])
        output = results.permute(1, 0, 3, 2).reshape(results.shape[1], layer.out_channels, *positions)
        return output if len(shape) == axes + 2 else output.squeeze(0)

    def functional_forward(
        self, layer: Any, input: Tensor, weight: Tensor, bias: Tensor | None, **options: Any
    ) -> Tensor:
        """The convolution with every option of the torch layer."""
        output: Tensor = layer._conv_forward(input, weight, bias)
        return output

    def broadcast_bias(self, layer: Any, bias: Tensor) -> Tensor:
        """Channels are the axis before those of the positions."""
        return bias.view(-1, *[1] * len(layer.kernel_size))


def require_channels(layer: Any, values: Tensor, axes: int) -> None:
    """Raise InputError unless values have the channels of a convolution over a number of axes."""
    channels = layer.in_channels
    if values.dim() in (axes + 1, axes + 2) and values.shape[-axes - 1] == channels:
        return
    sizes = ("length", "height, width", "depth, height, width")[axes - 1]
    raise InputError(
        f"layer {name_of(layer)!r} takes [batch, {channels}, {sizes}] or [{channels}, {sizes}], "
        f"got {list(values.shape)}"
    )


def _padded(layer: Any, batched: Tensor) -> Tensor:
    both = _padding(layer)
    # torch counts axes from the last.
    amounts = [amount for pair in reversed(both) for amount in pair]
    if layer.padding_mode == "zeros":
        # Code 0 is 0 V, so padding with zeros is padding with rows at rest.
        return nn.functional.pad(batched, amounts) if any(amounts) else batched
    # Other modes only support floating-point numbers.
    return nn.functional.pad(batched.float(), amounts, mode=layer.padding_mode).to(batched.dtype)


def _padding(layer: Any) -> list[tuple[int, int]]:
    """Zeros before and after each axis."""
    if layer.padding == "valid":
        return [(0, 0)] * len(layer.kernel_size)
    if layer.padding == "same":
        totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(int(amount), int(amount)) for amount in layer.padding]


def _positions(layer: Any, sizes: torch.Size) -> list[int]:
    options = zip(sizes, _padding(layer), layer.kernel_size, layer.stride, layer.dilation, strict=True)
    return [(n + sum(pad) - d * (k - 1) - 1) // s + 1 for n, pad, k, s, d in options]
