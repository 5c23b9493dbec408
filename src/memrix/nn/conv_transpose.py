"""Transposed convolutions with fake quantisers, and on crossbars."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from memrix.errors import ConversionError
from memrix.nn.conv import require_channels
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.quantized import QuantizedLayer


class _TransposedConvolution(QuantizedLayer, nn.modules.conv._ConvTransposeNd):
    """Each input position is a vector over the channels; every output channel and place of the kernel is a column.

    What the columns read is added up digitally where kernels overlap, as it would be on a chip: no input is ever
    stuffed with zeros. Every column has a weight scale of its own where the hardware has one an output. The shape of
    the output is that of ``output_padding``, or the ``output_size`` of a call.
    """

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:  # type: ignore[override]
        """The operation on fake-quantised inputs and weights.

        Args:
            input: ``[batch, in_channels, *positions]``, or without the batch axis.
            output_size: positions of the output along each axis, as the torch layer takes them.

        Raises:
            CalibrationError: the layer has no activation range.
            ConversionError: the layer cannot give that size.
        """
        return super().forward(input, output_size=output_size)

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

    def assemble(self, results: Tensor, shape: torch.Size, output_size: Sequence[int] | None = None) -> Tensor:
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
        beyond = self._beyond(shape, output_size)
        for axis in range(axes):
            start = int(self.padding[axis])
            stop = full[axis] - start + beyond[axis]
            output = _within(output, 2 + axis, start, stop)
        return output if len(shape) == axes + 2 else output.squeeze(0)

    def digital(
        self, activations: Tensor, weight: Tensor, bias: Tensor | None, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """The transposed convolution with every option of the torch layer."""
        operation = (nn.functional.conv_transpose1d, nn.functional.conv_transpose2d)[len(self.kernel_size) - 1]
        padding = [int(amount) for amount in self.padding]
        output: Tensor = operation(
            activations,
            weight,
            bias,
            self.stride,
            padding,
            self._beyond(activations.shape, output_size),
            self.groups,
            self.dilation,
        )
        return output

    def along_outputs(self, bias: Tensor) -> Tensor:
        """Channels are the axis before those of the positions."""
        return bias.view(-1, *[1] * len(self.kernel_size))

    def _beyond(self, shape: torch.Size, output_size: Sequence[int] | None) -> list[int]:
        """Positions that the output for an input of ``shape`` has at the end of each axis beyond the shortest one."""
        if output_size is None:
            return [int(amount) for amount in self.output_padding]
        try:
            return self._output_padding(
                torch.empty(shape, device="meta"),  # its shape alone is read
                list(output_size),
                list(self.stride),
                [int(amount) for amount in self.padding],
                list(self.kernel_size),
                len(self.kernel_size),
                list(self.dilation),
            )
        except ValueError as error:
            raise ConversionError(
                f"layer {self.name!r} cannot give output_size={list(output_size)} for an input of {list(shape)}: "
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


class QuantizedConvTranspose1d(_TransposedConvolution, nn.ConvTranspose1d):
    """``nn.ConvTranspose1d`` on weights and inputs that are fake-quantised."""


class QuantizedConvTranspose2d(_TransposedConvolution, nn.ConvTranspose2d):
    """``nn.ConvTranspose2d`` on weights and inputs that are fake-quantised."""


class _ProgrammedTransposedConvolution(CrossbarLayer, _TransposedConvolution):
    """What is called as the torch layer is."""

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:  # type: ignore[override]
        """The operation on the chip, as its twin takes it."""
        return super().forward(input, output_size=output_size)


class MemristorConvTranspose1d(_ProgrammedTransposedConvolution, QuantizedConvTranspose1d):
    """``nn.ConvTranspose1d`` on programmed crossbars: ``[batch, channels, length]`` or ``[channels, length]``."""


class MemristorConvTranspose2d(_ProgrammedTransposedConvolution, QuantizedConvTranspose2d):
    """``nn.ConvTranspose2d`` on programmed crossbars: ``[batch, channels, height, width]`` or without the batch."""
