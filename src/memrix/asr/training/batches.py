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

_BUCKETS = 20


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
