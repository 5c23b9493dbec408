"""Activation ranges and calibration samples of a recognizer, from utterances of the training split."""

from __future__ import annotations

import itertools

from lhotse import CutSet

import memrix
from memrix import Hardware
from memrix.asr.speech_model import SpeechModel
from memrix.asr.training.data import SpeechData, training_plan
from memrix.toolkit import former_names


def calibrate_recognizer(
    recognizer: SpeechModel,
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
    plan = list(itertools.islice(training_plan(cuts, recognizer, seconds, seed, 0), batches))
    needed = {name for items in plan for names in items for name in names}
    data = SpeechData(CutSet.from_cuts(cut for cut in cuts if cut.id in needed), recognizer, None)
    inputs = [recognizer.calibration_inputs(data.batch(0, items)) for items in plan]
    memrix.calibrate(recognizer.network, inputs, recognizer.chip_choice(hardware), keep_ranges=keep_ranges)


__getattr__ = former_names(__name__, {"calibrate_recogniser": "calibrate_recognizer"})
