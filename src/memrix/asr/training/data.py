"""Utterances as batches of tensors: which ones follows from seed and epoch, augmentation from the id as well."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import torch
from lhotse import CutSet
from lhotse.cut import Cut
from lhotse.dataset import DynamicBucketingSampler
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.augmentation import Augmentation, change_speed
from memrix.asr.corpora.recordings import samples_of
from memrix.asr.features import frames_of
from memrix.asr.seeds import derive
from memrix.asr.speech_model import Example, SpeechBatch, SpeechModel, Window, padded_batches

_BUCKETS = 20

Joined = tuple[str, ...]
"""Ids of utterances that are one after the other; of most models, of one utterance."""

_SHIFT = SAMPLE_RATE // 100  # samples of a frame of features


def training_plan(
    cuts: CutSet, model: SpeechModel, seconds: float, seed: int, epoch: int, speed: float = 1.0
) -> list[list[Joined]]:
    """Utterances, or windows of several, of every batch of an epoch.

    Args:
        cuts: the utterances.
        model: whose windows utterances are joined to, if it has any.
        seconds: of audio in a batch, at most; a window counts as a whole one.
        seed: of the order.
        epoch: another epoch has another order.
        speed: the slowest one, at which a window must still be long enough.
    """
    if model.window is not None:
        order = sorted(cuts, key=lambda cut: derive(seed, "order", str(epoch), cut.id))
        return _window_batches(order, model, model.window, seconds, speed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You are using DynamicBucketingSampler with an eagerly read")
        sampler = DynamicBucketingSampler(
            cuts,
            max_duration=seconds,
            num_buckets=min(_BUCKETS, len(cuts)),  # utterances of a batch are of similar length
            shuffle=True,
            seed=seed,
            # Every process plans all batches and takes its part of each: their number does not change the batches.
            world_size=1,
            rank=0,
        )
    sampler.set_epoch(epoch)
    return [[(cut.id,) for cut in batch] for batch in sampler]


def evaluation_plan(cuts: CutSet, model: SpeechModel, seconds: float) -> list[list[Joined]]:
    """Utterances of every batch, shortest first, or windows of several, as in training, in the order of their ids.

    Args:
        cuts: the utterances.
        model: whose windows utterances are joined to, if it has any.
        seconds: of audio in a batch with its padding, at most.
    """
    if model.window is not None:
        return _window_batches(sorted(cuts, key=lambda cut: str(cut.id)), model, model.window, seconds)
    lengths = sorted((cut.duration, cut.id) for cut in cuts)
    return padded_batches((((name,), length) for length, name in lengths), seconds)


def _window_batches(
    cuts: Iterable[Cut], model: SpeechModel, window: Window, seconds: float, speed: float = 1.0
) -> list[list[Joined]]:
    """Utterances in this order as windows, each of as many as fit, in batches of so many seconds; one at least."""
    lengths = ((cut.id, cut.duration / speed, len(model.targets(cut.supervisions[0].text))) for cut in cuts)
    windows, size = [tuple(names) for names in window.filled(lengths)], max(1, int(seconds / window.seconds))
    return [windows[start : start + size] for start in range(0, len(windows), size)]


def padded_audio(cuts: Iterable[Cut]) -> tuple[Tensor, Tensor]:
    """Audio of utterances, ``[batch, samples]``, padded at the end, and how many samples of each are valid.

    Raises:
        DataError: audio that cannot be read.
    """
    clips = [torch.from_numpy(samples_of(cut)) for cut in cuts]
    return pad_sequence(clips, batch_first=True), torch.tensor([len(clip) for clip in clips])


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
