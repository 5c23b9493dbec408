"""Which utterances make up which batch: a pure function of seed and epoch, so that a training resumes anywhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import torch
from lhotse import CutSet
from lhotse.cut import Cut
from lhotse.dataset import DynamicBucketingSampler
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from memrix.asr.corpora.recordings import samples_of
from memrix.asr.seeds import derive
from memrix.asr.speech_model import SpeechModel, Window

_BUCKETS = 20

Joined = tuple[str, ...]
"""Ids of utterances that are one after the other; of most models, of one utterance."""


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
    if model.window is None:
        return [[(name,) for name in ids] for ids in training_batches(cuts, seconds, seed, epoch)]
    order = sorted(cuts, key=lambda cut: derive(seed, "order", str(epoch), cut.id))
    return window_batches(joined(order, model, model.window, speed), model.window, seconds)


def window_batches(windows: list[Joined], window: Window, seconds: float) -> list[list[Joined]]:
    """Windows of at most so many seconds a batch, each counted as a whole one; one at least."""
    size = max(1, int(seconds / window.seconds))
    return [windows[start : start + size] for start in range(0, len(windows), size)]


def joined(cuts: Iterable[Cut], model: SpeechModel, window: Window, speed: float = 1.0) -> list[Joined]:
    """Utterances in this order as windows, each of as many as fit."""
    lengths = ((cut.id, cut.duration / speed, len(model.targets(cut.supervisions[0].text))) for cut in cuts)
    return [tuple(names) for names in window.filled(lengths)]


def training_batches(cuts: CutSet, seconds: float, seed: int, epoch: int) -> list[list[str]]:
    """Ids of the utterances of every batch of an epoch; utterances of a batch are of similar length.

    Args:
        cuts: the utterances.
        seconds: of audio in a batch, at most.
        seed: of the order.
        epoch: another epoch has another order.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You are using DynamicBucketingSampler with an eagerly read")
        sampler = DynamicBucketingSampler(
            cuts,
            max_duration=seconds,
            num_buckets=min(_BUCKETS, len(cuts)),
            shuffle=True,
            seed=seed,
            # Every process plans all batches and takes its part of each: their number does not change the batches.
            world_size=1,
            rank=0,
        )
    sampler.set_epoch(epoch)
    return [[cut.id for cut in batch] for batch in sampler]


def evaluation_batches(cuts: CutSet, seconds: float) -> list[list[str]]:
    """Ids of the utterances of every batch, shortest first; with its padding, a batch has at most ``seconds``."""
    batches: list[list[str]] = []
    for cut in sorted(cuts, key=lambda cut: (cut.duration, cut.id)):
        if batches and (len(batches[-1]) + 1) * cut.duration <= seconds:
            batches[-1].append(cut.id)
        else:
            batches.append([cut.id])
    return batches


def padded_audio(cuts: Iterable[Cut]) -> tuple[Tensor, Tensor]:
    """Audio of utterances, ``[batch, samples]``, padded at the end, and how many samples of each are valid.

    Raises:
        DataError: audio that cannot be read.
    """
    clips = [torch.from_numpy(samples_of(cut)) for cut in cuts]
    return pad_sequence(clips, batch_first=True), torch.tensor([len(clip) for clip in clips])
