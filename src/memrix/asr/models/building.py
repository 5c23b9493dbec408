"""Networks from their settings."""

from __future__ import annotations

from memrix.asr.models.conformer import Conformer, ConformerSettings
from memrix.asr.models.settings import CtcSettings
from memrix.asr.models.transformers_ctc import TransformersCtc, build_transformers_ctc

AcousticModel = Conformer | TransformersCtc


def build_network(settings: CtcSettings, labels: int) -> AcousticModel:
    """A network for so many labels; random weights are drawn from torch's generator.

    Raises:
        SettingsError: transformers builds no CTC model from these settings.
        AssetError: pretrained weights are out of reach.
    """
    if isinstance(settings, ConformerSettings):
        return Conformer(settings, labels)
    return build_transformers_ctc(settings, labels)
