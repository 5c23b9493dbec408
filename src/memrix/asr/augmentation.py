"""Augmentation of speech for training: speed perturbation and SpecAugment, drawn for each utterance by itself."""

from __future__ import annotations

from functools import cache
from typing import Annotated

import torch
from lhotse.augmentation.resample import Resample
from pydantic import Field
from torch import Tensor

from memrix.asr.audio import SAMPLE_RATE
from memrix.asr.outside import Settings

_MOST_MASKS = 1000  # of an utterance


class Augmentation(Settings):
    """How training audio is varied; the defaults are those of arXiv 2505.24721.

    Attributes:
        speeds: factors of speed and pitch from 0.1 to 10, one drawn for each utterance and epoch.
        time_masks_at_least: number of time masks of a short utterance.
        frames_per_time_mask: an utterance has at most one time mask per so many frames.
        time_mask_frames: longest time mask, in frames of 10 ms.
        frequency_masks_at_least, frequency_masks_at_most: number of masks in frequency.
        frequency_mask_bins: widest mask in frequency, in mel bins.
    """

    speeds: tuple[Annotated[float, Field(ge=0.1, le=10)], ...] = Field((0.9, 1.0, 1.1), min_length=1)
    time_masks_at_least: int = Field(2, ge=0, le=_MOST_MASKS)
    frames_per_time_mask: int = Field(25, ge=1, le=1 << 30)
    time_mask_frames: int = Field(20, ge=0, le=1 << 30)
    frequency_masks_at_least: int = Field(2, ge=0, le=_MOST_MASKS)
    frequency_masks_at_most: int = Field(5, ge=0, le=_MOST_MASKS)
    frequency_mask_bins: int = Field(8, ge=0, le=1 << 30)

    def speed(self, generator: torch.Generator) -> float:
        """One of the speeds."""
        return self.speeds[int(torch.randint(len(self.speeds), (), generator=generator))]

    def mask(self, frames: int, bins: int, generator: torch.Generator) -> Tensor:
        """What SpecAugment (Park et al., arXiv 1904.08779) hides: True where; ``[frames, bins]``, on the CPU.

        Numbers of masks, widths and places are uniform.
        """
        most = max(frames // self.frames_per_time_mask, self.time_masks_at_least)
        times = _spans(self.time_masks_at_least, most, self.time_mask_frames, frames, generator)
        fewest, many = sorted((self.frequency_masks_at_least, self.frequency_masks_at_most))
        frequencies = _spans(fewest, many, self.frequency_mask_bins, bins, generator)
        return times.unsqueeze(1) | frequencies.unsqueeze(0)


def _spans(fewest: int, most: int, widest: int, size: int, generator: torch.Generator) -> Tensor:
    """Positions ``[size]`` that lie in one of the spans drawn."""
    count = int(torch.randint(fewest, most + 1, (), generator=generator))
    widths = torch.randint(0, min(widest, size) + 1, (count, 1), generator=generator)
    starts = (torch.rand(count, 1, generator=generator) * (size - widths + 1)).long()
    positions = torch.arange(size)
    return ((positions >= starts) & (positions < starts + widths)).any(dim=0)


def change_speed(audio: Tensor, speed: float) -> Tensor:
    """Audio ``[samples]`` played ``speed`` times as fast, at the same sampling rate (Ko et al., Interspeech 2015)."""
    if speed == 1:
        return audio
    resampled: Tensor = _resampler(round(SAMPLE_RATE * speed))(audio)
    return resampled


@cache
def _resampler(rate: int) -> Resample:
    return Resample(rate, SAMPLE_RATE)
