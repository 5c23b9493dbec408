"""What a CTC model writes: phonemes with end-of-word variants, or pieces of words."""

from memrix.asr.labels.labels import BLANK, Labels
from memrix.asr.labels.phonemes import PhonemeLabels
from memrix.asr.labels.pieces import PieceLabels

__all__ = ["BLANK", "Labels", "PhonemeLabels", "PieceLabels"]
