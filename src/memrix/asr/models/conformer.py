"""The Conformer of arXiv 2505.24721: an acoustic model for CTC, of plain torch layers."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from memrix.asr.features import MEL_BINS, valid_frames
from memrix.asr.models.attention import SelfAttention, position_biases
from memrix.asr.outside import Settings

SUBSAMPLING = 4

_WIDEST, _MOST_BLOCKS, _LONGEST_KERNEL = 1 << 14, 1 << 10, 4095
"""Far beyond the largest Conformers, of some 1,000 and 50: a larger number is a slip, or an attack on the memory."""

_Channels = Annotated[int, Field(le=_WIDEST)]
_Pooling = Annotated[int, Field(le=MEL_BINS)]


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


class ConformerSettings(Settings):
    """Sizes of a Conformer; the defaults are those of the paper (42 million parameters).

    Attributes:
        width: of the blocks, a multiple of ``heads``.
        blocks: Conformer blocks.
        heads: attention heads.
        feed_forward: inner width of the feed-forward layers.
        kernel: frames that the depthwise convolution sees, odd.
        channels: of the four convolutions of the front end.
        frequency_pooling: by what the two poolings of the front end shorten frequency.
        dropout: everywhere.
        relative_positions: whether attention knows distances (arXiv 2606.13379).
    """

    kind: Literal["conformer"] = "conformer"
    width: int = Field(384, ge=1, le=_WIDEST)
    blocks: int = Field(12, ge=1, le=_MOST_BLOCKS)
    heads: int = Field(4, ge=1, le=_WIDEST)
    feed_forward: int = Field(1536, ge=1, le=4 * _WIDEST)
    kernel: int = Field(31, ge=1, le=_LONGEST_KERNEL)
    channels: tuple[_Channels, _Channels, _Channels, _Channels] = (32, 64, 64, 32)
    frequency_pooling: tuple[_Pooling, _Pooling] = (1, 1)
    dropout: float = Field(0.2, ge=0, lt=1)
    relative_positions: bool = False

    @model_validator(mode="after")
    def _fits(self) -> ConformerSettings:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, got {self.width} and {self.heads}")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, so that it has a middle, got {self.kernel}")
        if any(size < 1 for size in (*self.channels, *self.frequency_pooling)):
            raise ValueError("channels and frequency_pooling must be 1 or more")
        if MEL_BINS // self.frequency_pooling[0] // self.frequency_pooling[1] < 1:
            raise ValueError(f"frequency_pooling leaves nothing of {MEL_BINS} bins, got {self.frequency_pooling}")
        return self


PRESETS = {
    "small": ConformerSettings(
        width=144,
        blocks=6,
        feed_forward=576,
        channels=(8, 16, 32, 16),
        frequency_pooling=(2, 2),
        dropout=0.1,
    ),
    "medium": ConformerSettings(width=256, blocks=8, feed_forward=1024),
    "paper": ConformerSettings(),
}


class FeedForward(nn.Module):
    """Half-step feed-forward layer with SiLU."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor) -> Tensor:
        """``[batch, frames, width]`` to the same shape."""
        hidden: Tensor = self.dropout(nn.functional.silu(self.up(self.norm(values))))
        change: Tensor = self.dropout(self.down(hidden))
        return values + 0.5 * change


class Convolution(nn.Module):
    """Gated pointwise, depthwise and pointwise convolution; LayerNorm in place of the original BatchNorm.

    The pointwise convolutions are linear layers, which they are.
    """

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gated = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.depthwise_norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, valid: Tensor) -> Tensor:
        """``[batch, frames, width]`` to the same shape; ``valid`` of ``[batch, frames]``."""
        hidden = nn.functional.glu(self.gated(self.norm(values)), dim=2)
        hidden = hidden * valid.unsqueeze(2)
        hidden = self.depthwise(hidden.transpose(1, 2)).transpose(1, 2)
        hidden = nn.functional.silu(self.depthwise_norm(hidden))
        change: Tensor = self.dropout(self.output(hidden))
        return values + change


class ConformerBlock(nn.Module):
    """Feed-forward, self-attention, convolution, feed-forward (Gulati et al., arXiv 2005.08100)."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        width, dropout = settings.width, settings.dropout
        self.first = FeedForward(width, settings.feed_forward, dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, settings.heads, dropout, settings.relative_positions)
        self.convolution = Convolution(width, settings.kernel, dropout)
        self.second = FeedForward(width, settings.feed_forward, dropout)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, valid: Tensor) -> Tensor:
        """``[batch, frames, width]`` to the same shape; ``valid`` of ``[batch, frames]``."""
        values = self.first(values)
        values = values + self.dropout(self.attention(self.attention_norm(values), valid))
        values = self.convolution(values, valid)
        result: Tensor = self.norm(self.second(values))
        return result


class Conformer(nn.Module):
    """Front end, Conformer blocks and an output layer for CTC labels."""

    takes_audio = False

    def __init__(self, settings: ConformerSettings, labels: int) -> None:
        super().__init__()
        self.settings = settings
        self.front_end = FrontEnd(MEL_BINS, settings.channels, settings.frequency_pooling, settings.width)
        self.dropout = nn.Dropout(settings.dropout)
        self.blocks = nn.ModuleList(ConformerBlock(settings) for _ in range(settings.blocks))
        self.output = nn.Linear(settings.width, labels)
        self.digital_layers = ("front_end.*", "output", *position_biases(self))  # as in the paper

    def rebuilding_settings(self) -> ConformerSettings:
        """What builds the same architecture."""
        return self.settings

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames of logits for features of so many frames."""
        return lengths // SUBSAMPLING

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the labels, and how many frames of them are valid.

        Args:
            features: ``[batch, frames, 80]``.
            lengths: valid frames, ``[batch]``.

        Returns:
            Logits ``[batch, frames // 4, labels]`` and their lengths ``[batch]``.
        """
        values, lengths = self.front_end(features, lengths)
        valid = valid_frames(lengths, values.shape[1])
        values = self.dropout(values)
        for block in self.blocks:
            values = block(values, valid)
        return self.output(values), lengths
