"""A CTC recogniser: features, acoustic model and labels, in one file."""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from memrix.asr.features import MEL_BINS, LogMel
from memrix.asr.labels import Labels


class AcousticModel(Protocol):
    """What a recogniser asks of a network: features and lengths to logits and theirs."""

    def __call__(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``[batch, frames, 80]`` and ``[batch]`` to ``[batch, shorter, labels]`` and ``[batch]``."""


class Recogniser(nn.Module):
    """Audio to log-probabilities of CTC labels.

    Args:
        network: an acoustic model, such as ``memrix.asr.models.Conformer``; a copy of it on a chip takes its place.
        labels: what its outputs mean.

    Attributes:
        description: what builds the same recogniser anew, for JSON.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, labels: Labels) -> None:
        super().__init__()
        self.features = LogMel()
        self.network = network
        self.labels = labels
        self.description: dict[str, Any] = {}
        self.register_buffer("mean", torch.zeros(MEL_BINS))
        self.register_buffer("deviation", torch.ones(MEL_BINS))

    def normalised(self, audio: Tensor, samples: Tensor, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features of zero mean and unit deviation over the training data, and their lengths.

        Args:
            audio: at 16 kHz, ``[batch, samples]``.
            samples: valid samples, ``[batch]``.
            masked: where features are hidden, which is at their mean; ``[batch, frames, 80]``.
        """
        features, lengths = self.features(audio, samples)
        features = (features - self.mean) / self.deviation
        if masked is not None:
            features = features.masked_fill(masked, 0.0)
        return features, lengths

    def forward(self, audio: Tensor, samples: Tensor, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Log-probabilities ``[batch, frames, labels]`` and how many frames are valid, ``[batch]``."""
        features, lengths = self.normalised(audio, samples, masked)
        logits, lengths = cast(AcousticModel, self.network)(features, lengths)
        return logits.float().log_softmax(dim=2), lengths
