"""``nn.Conv1d`` with fake quantisers, and on crossbars."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memrix.errors import ConversionError
from memrix.nn.base import CrossbarLayer, QuantizedLayer


class QuantizedConv1d(QuantizedLayer, nn.Conv1d):
    """``nn.Conv1d`` on weights and inputs that are fake-quantised; every option of it."""

    def matrices(self, weight: Tensor) -> Tensor:
        """``[groups, in_channels / groups * kernel, out_channels / groups]``: a group is a matrix of its own."""
        return weight.reshape(self.groups, self.out_channels // self.groups, -1).transpose(1, 2)

    def vectors(self, codes: Tensor) -> Tensor:
        """``[groups, batch, output length, in_channels / groups * kernel]``, int16: what each step sees."""
        kernel, dilation = self.kernel_size[0], self.dilation[0]
        if codes.dim() not in (2, 3) or codes.shape[-2] != self.in_channels:
            raise ConversionError(
                f"layer {self.name!r} takes [batch, {self.in_channels}, length] or [{self.in_channels}, length], "
                f"got {list(codes.shape)}"
            )
        batched = codes if codes.dim() == 3 else codes.unsqueeze(0)
        # Code 0 is 0 V, so padding with zeros is padding with rows at rest.
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        padded = nn.functional.pad(batched, self._padding_left_right(), mode=mode).to(torch.int16)
        windows = padded.unfold(2, dilation * (kernel - 1) + 1, self.stride[0])[..., ::dilation]
        batch, channels, length, _ = windows.shape  # [batch, channels, length, kernel]
        grouped = windows.view(batch, self.groups, channels // self.groups, length, kernel)
        return grouped.permute(1, 0, 3, 2, 4).reshape(self.groups, batch, length, channels // self.groups * kernel)

    def assemble(self, results: Tensor, shape: torch.Size) -> Tensor:
        """``[batch, out_channels, length]``, or without the batch axis where the input had none."""
        length = results.shape[2]
        output = results.permute(1, 0, 3, 2).reshape(results.shape[1], self.out_channels, length)
        return output if len(shape) == 3 else output.squeeze(0)

    def digital(self, activations: Tensor, weight: Tensor) -> Tensor:
        """The convolution with every option of ``nn.Conv1d``, bias included."""
        output: Tensor = self._conv_forward(activations, weight, self.bias)
        return output

    def along_outputs(self, values: Tensor) -> Tensor:
        """``[..., 1]``: channels are the axis before the last."""
        return values.unsqueeze(-1)

    def _padding_left_right(self) -> tuple[int, int]:
        if self.padding == "valid":
            return 0, 0
        if self.padding == "same":
            total = self.dilation[0] * (self.kernel_size[0] - 1)
            return total // 2, total - total // 2
        return int(self.padding[0]), int(self.padding[0])


class MemristorConv1d(CrossbarLayer, QuantizedConv1d):
    """``nn.Conv1d`` on programmed crossbars: ``[batch, channels, length]`` or ``[channels, length]``."""
