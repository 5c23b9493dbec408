"""Utterances to evaluate as batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from memrix.asr.corpus import Utterance
from memrix.asr.speech_model import Example, SpeechBatch, SpeechModel
from memrix.errors import DataError


def batch_of(model: SpeechModel, utterances: Sequence[Utterance]) -> SpeechBatch:
    """Utterances as one batch: audio is read, and references are tokenized.

    Raises:
        DataError: no utterances, audio that cannot be used, or a text that is too long.
    """
    if not utterances:
        raise DataError("a batch needs at least one utterance, got none")
    return SpeechBatch.of([_example(model, utterance) for utterance in utterances])


def _example(model: SpeechModel, utterance: Utterance) -> Example:
    audio = torch.from_numpy(utterance.samples())
    try:
        targets = torch.tensor(model.targets(utterance.text), dtype=torch.long)
    except DataError as error:
        raise DataError(f"{utterance.id}: {error}") from error
    return Example(utterance.id, utterance.text, audio, targets, torch.zeros(0, model.bins, dtype=torch.bool))
