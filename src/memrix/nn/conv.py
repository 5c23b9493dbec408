"""Convolutions over one, two or three axes with fake quantisers, and on crossbars."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memrix.errors import ConversionError
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.quantized import QuantizedLayer


class _Convolution(QuantizedLayer, nn.modules.conv._ConvNd):
    """Every option of the convolutions of torch: a window of the input is a vector, a group a matrix of its own."""

    @property
    def matrix_groups(self) -> int:
        """Groups of channels."""
        return self.groups

    def rows(self, weight: Tensor) -> Tensor:
        """``[out_channels, in_channels / groups * kernel]``."""
        return weight.flatten(1)

    def from_rows(self, rows: Tensor) -> Tensor:
        """``[out_channels, in_channels / groups, *kernel]``."""
        return rows.reshape(self.weight.shape)

    def vectors(self, values: Tensor) -> Tensor:
        """``[groups, batch, windows, in_channels / groups * kernel]``: what each output position sees."""
        axes = len(self.kernel_size)
        require_channels(self, values, axes)
        batched = values if values.dim() == axes + 2 else values.unsqueeze(0)
        windows = self._padded(batched)
        for axis, (kernel, stride, dilation) in enumerate(
            zip(self.kernel_size, self.stride, self.dilation, strict=True), start=2
        ):
            windows = windows.unfold(axis, dilation * (kernel - 1) + 1, stride)[..., ::dilation]
        # [batch, groups, channels / groups, *positions, *kernel]: overlapping windows, copied once
        batch, channels = windows.shape[:2]
        split = windows.view(batch, self.groups, channels // self.groups, *windows.shape[2:])
        positions, kernels = range(3, 3 + axes), range(3 + axes, 3 + 2 * axes)
        # In memory positions come last: they are the longest runs of neighbours in both.
        seen = split.permute(1, 2, *kernels, 0, *positions)
        inputs, count = self.weight[0].numel(), windows.shape[2 : 2 + axes].numel()
        return seen.reshape(self.groups, inputs, batch, count).permute(0, 2, 3, 1)

    def assemble(self, results: Tensor, shape: torch.Size) -> Tensor:
        """``[batch, out_channels, *positions]``, or without the batch axis where the input had none."""
        axes = len(self.kernel_size)
        positions = self._positions(shape[-axes:])
        output = results.permute(1, 0, 3, 2).reshape(results.shape[1], self.out_channels, *positions)
        return output if len(shape) == axes + 2 else output.squeeze(0)

    def digital(self, activations: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with every option of the torch layer."""
        output: Tensor = self._conv_forward(activations, weight, bias)
        return output

    def along_outputs(self, bias: Tensor) -> Tensor:
        """Channels are the axis before those of the positions."""
        return bias.view(-1, *[1] * len(self.kernel_size))

    def _padded(self, batched: Tensor) -> Tensor:
        both = self._padding()
        # torch counts axes from the last.
        amounts = [amount for pair in reversed(both) for amount in pair]
        if self.padding_mode == "zeros":
            # Code 0 is 0 V, so padding with zeros is padding with rows at rest.
            return nn.functional.pad(batched, amounts) if any(amounts) else batched
        # Other modes know floating-point numbers alone.
        return nn.functional.pad(batched.float(), amounts, mode=self.padding_mode).to(batched.dtype)

    def _padding(self) -> list[tuple[int, int]]:
        """Zeros before and after each axis."""
        if self.padding == "valid":
            return [(0, 0)] * len(self.kernel_size)
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return [(total // 2, total - total // 2) for total in totals]
        return [(int(amount), int(amount)) for amount in self.padding]

    def _positions(self, sizes: torch.Size) -> list[int]:
        options = zip(sizes, self._padding(), self.kernel_size, self.stride, self.dilation, strict=True)
        return [(n + sum(pad) - d * (k - 1) - 1) // s + 1 for n, pad, k, s, d in options]


def require_channels(layer: QuantizedLayer, values: Tensor, axes: int) -> None:
    """Raise ConversionError unless values have the channels of a convolution over a number of axes."""
    channels = layer.in_channels
    if values.dim() in (axes + 1, axes + 2) and values.shape[-axes - 1] == channels:
        return
    sizes = ("length", "height, width", "depth, height, width")[axes - 1]
    raise ConversionError(
        f"layer {layer.name!r} takes [batch, {channels}, {sizes}] or [{channels}, {sizes}], got {list(values.shape)}"
    )


class QuantizedConv1d(_Convolution, nn.Conv1d):
    """``nn.Conv1d`` on weights and inputs that are fake-quantised; every option of it."""


class QuantizedConv2d(_Convolution, nn.Conv2d):
    """``nn.Conv2d`` on weights and inputs that are fake-quantised; every option of it."""


class QuantizedConv3d(_Convolution, nn.Conv3d):
    """``nn.Conv3d`` on weights and inputs that are fake-quantised; every option of it."""


class MemristorConv1d(CrossbarLayer, QuantizedConv1d):
    """``nn.Conv1d`` on programmed crossbars: ``[batch, channels, length]`` or ``[channels, length]``."""


class MemristorConv2d(CrossbarLayer, QuantizedConv2d):
    """``nn.Conv2d`` on programmed crossbars: ``[batch, channels, height, width]`` or without the batch axis."""


class MemristorConv3d(CrossbarLayer, QuantizedConv3d):
    """``nn.Conv3d`` on programmed crossbars: ``[batch, channels, depth, height, width]`` or without the batch."""
