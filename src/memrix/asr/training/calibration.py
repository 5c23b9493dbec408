"""Activation ranges and calibration samples of a recognizer, from utterances of the training split."""

from __future__ import annotations

import itertools

from lhotse import CutSet

import memrix
from memrix import Hardware
from memrix.asr.recognizer import Recognizer
from memrix.asr.recognizer_files import chip_choice
from memrix.asr.training.batches import padded_audio, training_batches
from memrix.toolkit import former_names


def calibrate_recognizer(
    recognizer: Recognizer,
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
        recognizer: in float or quantized.
        hardware: the chip.
        cuts: utterances to draw from.
        batches: how many, the first ones of an epoch.
        seconds: of audio in a batch, at most.
        seed: of their order.
        keep_ranges: leave ranges that are there, such as those of a training.
    """
    known = {cut.id: cut for cut in cuts}
    plan = itertools.islice(training_batches(cuts, seconds, seed, 0), batches)
    inputs = [recognizer.inputs(*padded_audio(known[name] for name in ids)) for ids in plan]
    memrix.calibrate(recognizer.network, inputs, chip_choice(recognizer, hardware), keep_ranges=keep_ranges)


__getattr__ = former_names(__name__, {"calibrate_recogniser": "calibrate_recognizer"})
