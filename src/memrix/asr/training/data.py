"""Utterances as tensors, augmented by draws that depend on seed, epoch and id alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from lhotse import CutSet
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from memrix.asr.augmentation import Augmentation, change_speed
from memrix.asr.corpora.recordings import samples_of
from memrix.asr.features import MEL_BINS, frames_of
from memrix.asr.labels import Labels
from memrix.asr.seeds import derive


@dataclass(frozen=True)
class Example:
    """One utterance: audio ``[samples]``, labels ``[labels]``, and what is masked, ``[frames, 80]``."""

    id: str
    audio: Tensor
    labels: Tensor
    masked: Tensor


@dataclass(frozen=True)
class SpeechBatch:
    """Utterances, padded.

    Attributes:
        ids: of the utterances.
        audio: at 16 kHz, ``[batch, samples]``.
        samples: valid samples, ``[batch]``.
        labels: ``[batch, labels]``, padded with the blank, which occurs in no text.
        label_counts: valid labels, ``[batch]``.
        masked: True where a feature is hidden, ``[batch, frames, 80]``.
    """

    ids: tuple[str, ...]
    audio: Tensor
    samples: Tensor
    labels: Tensor
    label_counts: Tensor
    masked: Tensor

    def to(self, device: torch.device) -> SpeechBatch:
        """The same batch on another device."""
        parts = (self.audio, self.samples, self.labels, self.label_counts, self.masked)
        return SpeechBatch(self.ids, *(part.to(device, non_blocking=True) for part in parts))


class SpeechData(Dataset[Example]):
    """Utterances by epoch and id.

    Args:
        cuts: lhotse cuts, each with one transcript.
        labels: what texts are written in.
        augmentation: None leaves audio and features unchanged.
        seed: of the augmentation.
    """

    def __init__(self, cuts: CutSet, labels: Labels, augmentation: Augmentation | None, seed: int = 0) -> None:
        self._cuts = {cut.id: cut for cut in cuts}
        self._targets = {name: labels.encode(cut.supervisions[0].text) for name, cut in self._cuts.items()}
        self._augmentation = augmentation
        self._seed = seed

    def labels_of(self, ids: Sequence[str]) -> int:
        """How many labels these utterances have together."""
        return sum(len(self._targets[name]) for name in ids)

    def __getitem__(self, key: tuple[int, str]) -> Example:
        """The utterance ``key[1]`` as it is in epoch ``key[0]``."""
        epoch, name = key
        audio = torch.from_numpy(samples_of(self._cuts[name]))
        frames = int(frames_of(torch.tensor(len(audio))))
        masked = torch.zeros(frames, MEL_BINS, dtype=torch.bool)
        if self._augmentation is not None:
            stream = torch.Generator().manual_seed(derive(self._seed, "augmentation", str(epoch), name))
            audio = change_speed(audio, self._augmentation.speed(stream))
            frames = int(frames_of(torch.tensor(len(audio))))
            masked = self._augmentation.mask(frames, MEL_BINS, stream)
        return Example(name, audio, torch.tensor(self._targets[name], dtype=torch.long), masked)

    def batch(self, epoch: int, ids: Sequence[str]) -> SpeechBatch:
        """These utterances as one batch."""
        return collate([self[epoch, name] for name in ids])


def collate(examples: Sequence[Example]) -> SpeechBatch:
    """Examples as one padded batch."""
    return SpeechBatch(
        ids=tuple(example.id for example in examples),
        audio=pad_sequence([example.audio for example in examples], batch_first=True),
        samples=torch.tensor([len(example.audio) for example in examples]),
        labels=pad_sequence([example.labels for example in examples], batch_first=True),
        label_counts=torch.tensor([len(example.labels) for example in examples]),
        masked=pad_sequence([example.masked for example in examples], batch_first=True),
    )
