"""Trained recognizers on chips."""

from __future__ import annotations

from typing import TypeVar

from lhotse import CutSet

import memrix
from memrix import Hardware
from memrix.asr.speech_model import SpeechModel
from memrix.asr.training.calibration import calibrate_recognizer

Model = TypeVar("Model", bound=SpeechModel)

TRAINED_WITH = ("weight_scale", "weight_range")
"""Settings of hardware that low-bit weights keep from their training, on any chip."""

_INTEGERS = {"weight_bits", *TRAINED_WITH}
_DIGITAL = "digital"

_CALIBRATION_SECONDS, _CALIBRATION_BATCHES = 60.0, 4


def as_trained(model: SpeechModel, hardware: Hardware) -> Hardware:
    """Hardware that holds the integers that a low-bit model was trained with."""
    trained = Hardware.from_dict(model.description["hardware"])
    kept = {name: getattr(trained, name) for name in TRAINED_WITH}
    layers = dict(hardware.layers)
    for pattern, changes in trained.layers.items():
        own = changes if isinstance(changes, str) else {name: changes[name] for name in _INTEGERS & {*changes}}
        of_chip = layers.pop(pattern, {})
        # Those of the training come last: they are what the integers are.
        if isinstance(own, str) or isinstance(of_chip, str):
            layers[pattern] = _DIGITAL
        elif of_chip or own:
            layers[pattern] = {**of_chip, **own}
    return hardware.replace(**kept, layers=layers)


def on_chip(model: Model, hardware: Hardware, seed: int, train: CutSet) -> Model:
    """The model with its network on a chip, which holds the integers that the network was trained with.

    Args:
        model: quantized, with its activation ranges.
        hardware: the chip; scale and range of weights are those of the model.
        seed: the same seed is the same chip.
        train: utterances for hardware that is tuned on calibration samples.
    """
    hardware = as_trained(model, hardware)
    choice = model.chip_choice(hardware)
    # The samples are those of the digital network: chips of one network share them.
    if not all(layer.calibrated for layer in memrix.check(model.network, choice).layers):
        # With the ranges that the network was trained with: its fake-quantized layer has no others.
        calibrate_recognizer(
            model, hardware, train, batches=_CALIBRATION_BATCHES, seconds=_CALIBRATION_SECONDS, keep_ranges=True
        )
    other = model.with_network(memrix.program(model.network, choice, seed=seed))
    other.eval()
    return other
