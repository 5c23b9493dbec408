"""The outputs of a CTC model: phonemes with end-of-word variants, or subwords."""

from memrix.asr.labels.labels import BLANK, Labels
from memrix.asr.labels.phonemes import PhonemeLabels
from memrix.asr.labels.subwords import SubwordLabels
from memrix.toolkit import former_names

__all__ = ["BLANK", "Labels", "PhonemeLabels", "SubwordLabels"]

__getattr__ = former_names(__name__, {"PieceLabels": "SubwordLabels"})
