"""Utterances as tensors, augmented by draws that depend on seed, epoch and id alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from lhotse import CutSet
from torch import Tensor
from torch.utils.data import Dataset

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.augmentation import Augmentation, change_speed
from memrix.asr.corpora.recordings import samples_of
from memrix.asr.features import frames_of
from memrix.asr.seeds import derive
from memrix.asr.speech_model import Example, SpeechBatch, SpeechModel
from memrix.asr.training.batches import Joined

_SHIFT = SAMPLE_RATE // 100  # samples of a frame of features


class SpeechData(Dataset[Example]):
    """Utterances, or windows of several, by epoch and ids.

    Args:
        cuts: lhotse cuts, each with one transcript.
        model: that is to learn them.
        augmentation: None leaves audio and features unchanged.
        seed: of the augmentation.
    """

    def __init__(self, cuts: CutSet, model: SpeechModel, augmentation: Augmentation | None, seed: int = 0) -> None:
        self._cuts = {cut.id: cut for cut in cuts}
        self._texts = {name: cut.supervisions[0].text for name, cut in self._cuts.items()}
        # Not the model itself: processes that read audio need no copy of it.
        self._targets = {name: model.targets(text) for name, text in self._texts.items()}
        self._bins = model.bins
        self._pause = round(model.window.pause_seconds * SAMPLE_RATE) if model.window else 0
        self._end = model.end_of_text
        self._augmentation = augmentation
        self._seed = seed

    def __getitem__(self, key: tuple[int, Joined]) -> Example:
        """The utterances ``key[1]``, one after the other, as they are in epoch ``key[0]``."""
        epoch, names = key
        parts = [self._utterance(epoch, name) for name in names]
        text = " ".join(self._texts[name] for name in names)
        audio, masked = parts[0] if len(parts) == 1 else self._joined(parts)
        return Example(names[0], text, audio, torch.tensor(self.targets_of(names), dtype=torch.long), masked)

    def targets_of(self, names: Joined) -> list[int]:
        """What is to be written for these utterances together."""
        ended = 0 if self._end is None else 1
        targets = [target for name in names for target in self._targets[name][: len(self._targets[name]) - ended]]
        return targets if self._end is None else [*targets, self._end]

    def batch(self, epoch: int, items: Sequence[Joined]) -> SpeechBatch:
        """These utterances or windows as one batch."""
        return SpeechBatch.of([self[epoch, names] for names in items])

    def _utterance(self, epoch: int, name: str) -> tuple[Tensor, Tensor]:
        """Audio ``[samples]`` and what is masked, ``[frames, bins]``."""
        audio = torch.from_numpy(samples_of(self._cuts[name]))
        if self._augmentation is None:
            return audio, torch.zeros(_frames(audio), self._bins, dtype=torch.bool)
        stream = torch.Generator().manual_seed(derive(self._seed, "augmentation", str(epoch), name))
        audio = change_speed(audio, self._augmentation.speed(stream))
        return audio, self._augmentation.mask(_frames(audio), self._bins, stream)

    def _joined(self, parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Utterances with a pause between; each keeps its own masks."""
        pause = torch.zeros(self._pause)
        audio = torch.cat([clip for part, _ in parts for clip in (part, pause)][:-1])
        masked = torch.zeros(_frames(audio), self._bins, dtype=torch.bool)
        start = 0
        for clip, hidden in parts:
            frames = masked[start // _SHIFT :][: len(hidden)]
            frames |= hidden[: len(frames)]
            start += len(clip) + self._pause
        return audio, masked


def _frames(audio: Tensor) -> int:
    return int(frames_of(torch.tensor(len(audio))))
