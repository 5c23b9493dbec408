"""Utterances to evaluate as batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from memrix.asr.evaluation.joining import Clip
from memrix.asr.speech_model import Example, SpeechBatch, SpeechModel
from memrix.errors import DataError

BATCH_SECONDS = 60.0
_WINDOWS = 8


def in_batches(model: SpeechModel, utterances: Sequence[Clip], size: int | None = None) -> list[tuple[Clip, ...]]:
    """Utterances of every batch: in their order for a model of windows, otherwise the shortest first.

    Args:
        model: that is to take them.
        utterances: all of them.
        size: of a batch. By default 8 windows, or with padding a minute of audio.
    """
    batches: list[list[Clip]] = []
    by_length = model.window is None
    ordered = sorted(utterances, key=lambda item: (item.duration(), item.id)) if by_length else utterances
    for utterance in ordered:
        room = size or _WINDOWS
        if size is None and by_length:
            room = int(BATCH_SECONDS / utterance.duration())
        if not batches or len(batches[-1]) >= room:
            batches.append([])
        batches[-1].append(utterance)
    return [tuple(batch) for batch in batches]


def batch_of(model: SpeechModel, utterances: Sequence[Clip]) -> SpeechBatch:
    """Utterances as one batch: audio is read, and references are tokenized.

    Raises:
        DataError: no utterances, audio that cannot be used, or a text that is too long or cannot be written.
    """
    if not utterances:
        raise DataError("a batch needs at least one utterance, got none")
    return SpeechBatch.of([_example(model, utterance) for utterance in utterances])


def _example(model: SpeechModel, utterance: Clip) -> Example:
    audio = torch.from_numpy(utterance.samples())
    try:
        targets = torch.tensor(model.targets(model.words(utterance.text)), dtype=torch.long)
    except DataError as error:
        raise DataError(f"{utterance.id}: {error}") from error
    return Example(utterance.id, utterance.text, audio, targets, torch.zeros(0, model.bins, dtype=torch.bool))
