"""Activation ranges and test vectors of a recogniser, from utterances of the training split."""

from __future__ import annotations

import itertools

from lhotse import CutSet

import memrix
from memrix.asr.recogniser import Recogniser
from memrix.asr.recogniser_files import chip_choice
from memrix.asr.training.batches import padded_audio, training_batches
from memrix.hardware import Hardware


def calibrate_recogniser(
    recogniser: Recogniser,
    hardware: Hardware,
    cuts: CutSet,
    *,
    batches: int,
    seconds: float,
    seed: int = 0,
    keep_ranges: bool = False,
) -> None:
    """Run ``memrix.calibrate`` for the layers that go to the hardware.

    Args:
        recogniser: in float or quantised.
        hardware: the chip.
        cuts: utterances to draw from.
        batches: how many, the first ones of an epoch.
        seconds: of audio in a batch, at most.
        seed: of their order.
        keep_ranges: leave ranges that are there, such as those of a training.
    """
    known = {cut.id: cut for cut in cuts}
    plan = itertools.islice(training_batches(cuts, seconds, seed, 0), batches)
    inputs = [recogniser.inputs(*padded_audio(known[name] for name in ids)) for ids in plan]
    memrix.calibrate(recogniser.network, inputs, chip_choice(recogniser, hardware), keep_ranges=keep_ranges)
