"""Networks from their settings, and which of their layers stay digital."""

from __future__ import annotations

from torch import nn

from memrix.asr.models.conformer import Conformer
from memrix.asr.models.settings import ModelSettings


def build_network(settings: ModelSettings, labels: int) -> nn.Module:
    """A network with random weights for so many labels."""
    return Conformer(settings, labels)


def digital_layers(network: nn.Module) -> tuple[str, ...]:
    """Patterns of the layers that the paper leaves digital: front end and output layer."""
    patterns: tuple[str, ...] = network.digital_layers  # type: ignore[assignment]
    return patterns
