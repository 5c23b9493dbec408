"""A CTC recognizer: features, acoustic model and labels, in one file."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from memrix.asr.features import MEL_BINS, LogMel, frames_of
from memrix.asr.labels import Labels
from memrix.asr.models.building import AcousticModel
from memrix.asr.models.masking import valid_frames


class Recognizer(nn.Module):
    """Audio to log-probabilities of CTC labels.

    Args:
        network: an acoustic model, such as ``memrix.asr.models.Conformer``; a copy of it on a chip takes its place.
        labels: what its outputs mean.

    Attributes:
        description: what builds the same recognizer anew, for JSON.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: AcousticModel, labels: Labels) -> None:
        super().__init__()
        self.features = LogMel()
        self.network = network
        self.labels = labels
        self.description: dict[str, Any] = {}
        self.register_buffer("mean", torch.zeros(MEL_BINS))
        self.register_buffer("deviation", torch.ones(MEL_BINS))

    def with_network(self, network: nn.Module) -> Recognizer:
        """The same recognizer with another network, such as a copy of its network on a chip."""
        other = copy.copy(self)
        other._modules = {**self._modules, "network": network}
        return other

    def inputs(self, audio: Tensor, samples: Tensor, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What the network takes, and the valid lengths.

        Features are of zero mean and unit deviation over the training data, ``[batch, frames, 80]``; a network that
        takes audio gets it at zero mean and unit deviation over each utterance.

        Args:
            audio: at 16 kHz, ``[batch, samples]``.
            samples: valid samples, ``[batch]``.
            masked: where features are hidden, which is at their mean; ``[batch, frames, 80]``.
        """
        if self.network.takes_audio:
            valid = valid_frames(samples, audio.shape[1])
            counts = samples.unsqueeze(1).clamp(min=1)
            centered = (audio - (audio * valid).sum(dim=1, keepdim=True) / counts) * valid
            power = centered.square().sum(dim=1, keepdim=True) / counts
            return centered / power.clamp(min=torch.finfo(audio.dtype).tiny).sqrt(), samples
        features, lengths = self.features(audio, samples)
        features = (features - self.mean) / self.deviation
        if masked is not None:
            features = features.masked_fill(masked, 0.0)
        return features, lengths

    def frames(self, samples: Tensor) -> Tensor:
        """Frames of log-probabilities for so many samples, ``[batch]``."""
        return self.network.output_lengths(samples if self.network.takes_audio else frames_of(samples))

    def forward(self, audio: Tensor, samples: Tensor, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Log-probabilities ``[batch, frames, labels]`` and how many frames are valid, ``[batch]``."""
        logits, lengths = self.network(*self.inputs(audio, samples, masked))
        return logits.float().log_softmax(dim=2), lengths
