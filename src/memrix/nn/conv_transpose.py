"""Transposed convolutions with fake quantisers, and on crossbars."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memrix.nn.conv import require_channels
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.quantized import QuantizedLayer


class _TransposedConvolution(QuantizedLayer, nn.modules.conv._ConvTransposeNd):
    """Each input position is a vector over the channels; every output channel and place of the kernel is a column.

    What the columns read is added up digitally where kernels overlap, as it would be on a chip: no input is ever
    stuffed with zeros. Every column has a weight scale of its own where the hardware has one an output. The shape of
    the output is that of ``output_padding``; a call with ``output_size`` is not known.
    """

    @property
    def matrix_groups(self) -> int:
        """Groups of channels."""
        return self.groups

    def rows(self, weight: Tensor) -> Tensor:
        """``[out_channels * kernel, in_channels / groups]``."""
        grouped = weight.reshape(self.groups, self.in_channels // self.groups, -1)
        return grouped.transpose(1, 2).reshape(-1, self.in_channels // self.groups)

    def from_rows(self, rows: Tensor) -> Tensor:
        """``[in_channels, out_channels / groups, *kernel]``."""
        grouped = rows.reshape(self.groups, -1, self.in_channels // self.groups)
        return grouped.transpose(1, 2).reshape(self.weight.shape)

    def vectors(self, values: Tensor) -> Tensor:
        """``[groups, batch, positions, in_channels / groups]``."""
        axes = len(self.kernel_size)
        require_channels(self, values, axes)
        batched = values if values.dim() == axes + 2 else values.unsqueeze(0)
        positions = batched.shape[2:].numel()
        split = batched.reshape(batched.shape[0], self.groups, self.in_channels // self.groups, positions)
        return split.permute(1, 0, 3, 2)

    def assemble(self, results: Tensor, shape: torch.Size) -> Tensor:
        """``[batch, out_channels, *positions]``, or without the batch axis where the input had none."""
        axes = len(self.kernel_size)
        batch = results.shape[1]
        columns = results.permute(1, 0, 3, 2).flatten(1, 2)
        # torch folds over two axes: a missing one has one place.
        missing = [1] * (2 - axes)
        sizes = shape[-axes:]
        options = zip(sizes, self.stride, self.dilation, self.kernel_size, strict=True)
        full = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in options]
        output = nn.functional.fold(
            columns,
            (*missing, *full),
            (*missing, *self.kernel_size),
            dilation=(*missing, *self.dilation),
            stride=(*missing, *self.stride),
        )
        output = output.view(batch, self.out_channels, *full)
        for axis in range(axes):
            start = int(self.padding[axis])
            stop = full[axis] - start + int(self.output_padding[axis])
            output = _within(output, 2 + axis, start, stop)
        return output if len(shape) == axes + 2 else output.squeeze(0)

    def digital(self, activations: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The transposed convolution with every option of the torch layer."""
        operation = (nn.functional.conv_transpose1d, nn.functional.conv_transpose2d)[len(self.kernel_size) - 1]
        padding = [int(amount) for amount in self.padding]
        output: Tensor = operation(
            activations, weight, bias, self.stride, padding, self.output_padding, self.groups, self.dilation
        )
        return output

    def along_outputs(self, bias: Tensor) -> Tensor:
        """Channels are the axis before those of the positions."""
        return bias.view(-1, *[1] * len(self.kernel_size))


def _within(output: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """A stretch of an axis, with zeros where it reaches beyond: there nothing was multiplied."""
    size = output.shape[axis]
    inner = output.narrow(axis, min(start, size), max(0, min(stop, size) - start))
    beyond = stop - start - inner.shape[axis]
    if not beyond:
        return inner
    amounts = [0, 0] * (output.dim() - 1 - axis) + [0, beyond]
    return nn.functional.pad(inner, amounts)


class QuantizedConvTranspose1d(_TransposedConvolution, nn.ConvTranspose1d):  # type: ignore[misc]
    """``nn.ConvTranspose1d`` on weights and inputs that are fake-quantised."""


class QuantizedConvTranspose2d(_TransposedConvolution, nn.ConvTranspose2d):  # type: ignore[misc]
    """``nn.ConvTranspose2d`` on weights and inputs that are fake-quantised."""


class MemristorConvTranspose1d(CrossbarLayer, QuantizedConvTranspose1d):  # type: ignore[misc]
    """``nn.ConvTranspose1d`` on programmed crossbars: ``[batch, channels, length]`` or ``[channels, length]``."""


class MemristorConvTranspose2d(CrossbarLayer, QuantizedConvTranspose2d):  # type: ignore[misc]
    """``nn.ConvTranspose2d`` on programmed crossbars: ``[batch, channels, height, width]`` or without the batch."""
