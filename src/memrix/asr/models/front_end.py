"""The convolutional front end, which shortens time by four."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memrix.asr.models.masking import valid_frames

SUBSAMPLING = 4


class FrontEnd(nn.Module):
    """Four 3x3 convolutions with ReLU, poolings by two in time after the second and the fourth, and a projection.

    arXiv 2505.24721 has 32, 64, 64 and 32 channels and pools in time alone. Whatever frames lie beyond the end of an
    utterance, its own output is the same.
    """

    def __init__(
        self, bins: int, channels: tuple[int, int, int, int], frequency_pooling: tuple[int, int], width: int
    ) -> None:
        super().__init__()
        sizes = (1, *channels)
        # Channels last are twice as fast on a CPU.
        self.convolutions = nn.ModuleList(
            nn.Conv2d(sizes[index], sizes[index + 1], 3, padding=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            for index in range(len(channels))
        )
        self.poolings = nn.ModuleList(nn.MaxPool2d((2, pooling)) for pooling in frequency_pooling)
        for pooling in frequency_pooling:
            bins //= pooling
        self.projection = nn.Linear(channels[-1] * bins, width)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``[batch, frames, bins]`` to ``[batch, frames // 4, width]``, and the lengths."""
        hidden = features.unsqueeze(1)  # [batch, channels, frames, bins]
        for half, pooling in enumerate(self.poolings):
            for convolution in self.convolutions[2 * half : 2 * half + 2]:
                # Nothing but zeros beyond the end, as the padding of a convolution has it.
                valid = valid_frames(lengths, hidden.shape[2])[:, None, :, None]
                hidden = convolution(hidden * valid).relu_()
            hidden = pooling(hidden)
            lengths = lengths // 2
        return self.projection(hidden.transpose(1, 2).flatten(2)), lengths
