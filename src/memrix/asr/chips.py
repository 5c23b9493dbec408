"""Speech models on chips."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from torch import nn

import memrix
from memrix import Hardware
from memrix.asr.speech_model import SpeechModel

Model = TypeVar("Model", bound=SpeechModel)
Choice = Mapping[str, Hardware | None]
"""Patterns of names of layers, and the hardware that these go to."""

TRAINED_WITH = ("weight_bits", "weight_scale", "weight_range")
"""Settings of hardware that low-bit weights keep from their training, on any chip."""

_DIGITAL = "digital"


def as_trained(model: SpeechModel, hardware: Hardware) -> Hardware:
    """Hardware that holds the integers that a low-bit model was trained with; for a float model as it is."""
    if "hardware" not in model.description:
        return hardware
    trained = Hardware.from_dict(model.description["hardware"])
    kept = {name: getattr(trained, name) for name in TRAINED_WITH}
    layers = dict(hardware.layers)
    for pattern, changes in trained.layers.items():
        own = changes if isinstance(changes, str) else {name: changes[name] for name in {*TRAINED_WITH} & {*changes}}
        of_chip = layers.pop(pattern, {})
        # Those of the training come last: they are what the integers are.
        if isinstance(own, str) or isinstance(of_chip, str):
            layers[pattern] = _DIGITAL
        elif of_chip or own:
            layers[pattern] = {**of_chip, **own}
    return hardware.replace(**kept, layers=layers)


def is_calibrated(network: nn.Module, choice: Choice) -> bool:
    """Whether a network has the activation ranges, and the calibration samples, that its hardware asks for."""
    return all(layer.calibrated for layer in memrix.check(network, choice).layers)


def on_chip(
    model: Model,
    hardware: Hardware,
    inputs: Iterable[Any],
    *,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Model:
    """The model with its network on a chip; one that was trained with low-bit weights keeps its integers.

    Args:
        model: in float, or quantized with its activation ranges; it is left as it is.
        hardware: the chip.
        inputs: of the network, for activation ranges of a float model and hardware that is tuned on calibration
            samples; read only where they are needed.
        seed: of the chip, its programming, and its read noise.
        progress: of programming, as ``memrix.program`` calls it.
    """
    choice = model.chip_choice(as_trained(model, hardware))
    network = copy.deepcopy(model.network)
    if not is_calibrated(network, choice):
        # With the ranges that a network was trained with: its fake-quantized layers have no others.
        memrix.calibrate(network, inputs, choice, keep_ranges=model.is_low_bit)
    chip = memrix.program(network, choice, seed=seed, inplace=True, progress=progress)
    return model.with_network(chip).eval()
