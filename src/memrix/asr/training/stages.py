"""What a training quantizes to, epoch by epoch: fewer and fewer bits, new chips at the end, and ranges from data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from lhotse import CutSet

import memrix
from memrix import Hardware, Quantization
from memrix.asr.speech_model import SpeechModel
from memrix.asr.training.data import SpeechData, training_plan
from memrix.asr.training.settings import TrainingSettings
from memrix.errors import SettingsError
from memrix.toolkit import closest

_CALIBRATION_BATCHES = 8
CALIBRATION_SECONDS = 120.0


@dataclass(frozen=True)
class Stage:
    """Epochs of a training with the same fake quantizers.

    Attributes:
        hardware: whose bits the weights have; None in float.
        quantization: how they are trained.
        is_last: whether these are the epochs whose weights may become the result.
    """

    hardware: Hardware | None
    quantization: Quantization
    is_last: bool


def stage_of(settings: TrainingSettings, epoch: int) -> Stage:
    """The stage that an epoch, counted from 0, belongs to."""
    quantization, hardware = settings.complete_quantization, settings.hardware
    if settings.method == "float":
        return Stage(None, quantization, is_last=True)
    left = settings.epochs - epoch
    last = left <= settings.resampled_epochs
    if last:
        quantization = replace(quantization, device_resampling=True, weight_noise=0.0)
    for bits, epochs in settings.annealing:
        if epoch < epochs:
            return Stage(hardware.replace(weight_bits=bits), quantization, is_last=False)
        epoch -= epochs
    return Stage(hardware, quantization, is_last=last or not settings.resampled_epochs)


def enter(model: SpeechModel, stage: Stage, settings: TrainingSettings) -> None:
    """Give a model the fake quantizers of a stage; ranges and steps that are still right are kept."""
    if stage.hardware is not None:
        model.quantize(stage.hardware, stage.quantization)
    freeze(model, settings)


def calibrate(
    model: SpeechModel, stage: Stage, settings: TrainingSettings, cuts: CutSet, before: float | None
) -> None:
    """Ranges from data where neither the start nor training has them.

    With ``settings.compensation``, weights of other bits than before make up for the errors of their rounding.

    Args:
        model: as ``enter`` left it.
        stage: that begins.
        settings: of the training.
        cuts: utterances to draw from.
        before: bits of the weights in the stage before, or where training starts from; None in float.
    """
    quantization = stage.quantization
    if stage.hardware is None:
        return
    if quantization.device_resampling or quantization.learned_steps or quantization.observer == "fixed":
        inputs = _typical_inputs(model, cuts, settings.seed)
        memrix.calibrate(model.network, inputs, model.chip_choice(stage.hardware), keep_ranges=True)
        if settings.compensation and model.weight_bits != before:
            memrix.compensate(model.network, inputs)


def calibrate_recognizer(
    recognizer: SpeechModel, hardware: Hardware, cuts: CutSet, *, seed: int = 0, keep_ranges: bool = False
) -> None:
    """Run ``memrix.calibrate`` for the layers that go to the hardware, on the first batches of an epoch.

    Args:
        recognizer: in float or quantized.
        hardware: the chip.
        cuts: utterances to draw from.
        seed: of their order.
        keep_ranges: leave ranges that are there, such as those of a training.
    """
    inputs = _typical_inputs(recognizer, cuts, seed)
    memrix.calibrate(recognizer.network, inputs, recognizer.chip_choice(hardware), keep_ranges=keep_ranges)


def _typical_inputs(recognizer: SpeechModel, cuts: CutSet, seed: int) -> list[Any]:
    """Inputs of the network in the first batches of an epoch."""
    plan = training_plan(cuts, recognizer, CALIBRATION_SECONDS, seed, 0)[:_CALIBRATION_BATCHES]
    needed = {name for items in plan for names in items for name in names}
    data = SpeechData(CutSet.from_cuts(cut for cut in cuts if cut.id in needed), recognizer, None)
    return [recognizer.calibration_inputs(data.batch(0, items)) for items in plan]


def freeze(model: SpeechModel, settings: TrainingSettings) -> None:
    """Leave out of training what the settings say, or else what the model leaves out by default.

    Raises:
        SettingsError: a pattern names no layer.
    """
    patterns = model.frozen_layers if settings.frozen is None else settings.frozen
    modules = dict(model.network.named_modules())
    for pattern in patterns:
        found = [part for name, part in modules.items() if fnmatchcase(name, pattern)]
        if not found:
            raise SettingsError(
                f"frozen names the layers {pattern!r}, and there are none{closest(pattern, modules)}; see the names "
                "of memrix.summary"
            )
        for part in found:
            part.requires_grad_(requires_grad=False)
