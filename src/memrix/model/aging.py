"""A chip some time after its programming, and the service visit that fits it again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from memrix._support.tables import listed
from memrix._support.validation import require_positive
from memrix.crossbar.aging import changes_with_time
from memrix.errors import SettingsError, WriteError
from memrix.model.batches import MOST_BATCHES
from memrix.model.contents import Contents
from memrix.model.conversion import crossbar_layers
from memrix.model.copying import copy_model
from memrix.model.references import require_live_functions
from memrix.model.writing import keep_samples
from memrix.nn.aging import age_layer, recalibrate_layer, require_later
from memrix.nn.crossbar_layer import CrossbarLayer


def age(chip: nn.Module, *, seconds: float) -> nn.Module:
    """The same chip some time after its programming: a copy, without programming. The chip itself is unchanged.

    Cells relax, drift and fluctuate as ``relaxation``, ``drift`` and ``telegraph`` of the hardware say. Converters
    and columns stay as they were fitted; ``memrix.recalibrate`` fits them again. The cells are those of programming
    with ``drift.seconds`` of this time, bit for bit, and aging in steps gives the same cells as aging at once. An
    aged chip, or one with wires whose hardware has such laws, keeps the cells as programmed beside those that are
    read: 8 bytes a pair.

    Args:
        chip: as ``memrix.program`` or ``memrix.load`` gave it; it may have been aged before.
        seconds: since programming, in s; not before the present age of the chip.

    Raises:
        SettingsError: the time is no number above 0, or lies before the age of the chip; or nothing in its hardware
            changes with time.
        ConversionError: no layer of the model runs on a chip, or it cannot be copied; or the chip is from the file of
            an earlier memrix that does not have the cells as programmed.
    """
    require_positive("seconds", seconds, "s")
    layers = crossbar_layers(chip)
    later = [require_later(layer.memrix.chip, float(seconds), layer.memrix.name) for layer in layers]
    if not any(
        changes_with_time(hardware.technology_of(layer.memrix.programmed.crossbar.cell_parameters))
        for hardware, layer in zip(later, layers, strict=True)
    ):
        raise SettingsError(
            "nothing in the hardware of this chip changes with time; program it with a law, for example "
            "hardware.replace(drift=memrix.Drift.metal_oxide())"
        )
    aged = _copy(chip)
    for layer in crossbar_layers(aged):
        age_layer(layer, float(seconds))
    return aged


def recalibrate(chip: nn.Module, batches: Iterable[Any], *, max_batches: int = MOST_BATCHES) -> nn.Module:
    """Fit converters and columns to the cells as they are now, as a service visit does: a copy, without programming.

    The split and gain of ADCs and the gain and offset of columns are measured as ``memrix.program`` measures them, by
    reading calibration samples; these readings switch no cell. Ranges of activations stay as they are.

    Args:
        chip: as ``memrix.program``, ``memrix.load`` or ``memrix.age`` gave it; it is unchanged.
        batches: typical inputs, as for ``memrix.calibrate``.
        max_batches: as for ``memrix.calibrate``.

    Raises:
        SettingsError: the hardware has neither ``column_calibration`` nor ``adc.per_layer``.
        WriteError: a weight has changed since it was written; or no batch reaches a layer.
        CalibrationError: as ``memrix.calibrate`` raises it for batches.
        InputError: the inputs of a layer are not finite.
        ConversionError: no layer of the model runs on a chip, or it cannot be copied.
    """
    if not any(map(_is_tuned, crossbar_layers(chip))):
        raise SettingsError(
            "the hardware of this chip has nothing to fit; program it with column_calibration=True, or with "
            "adc.per_layer=True"
        )
    changed = [x.memrix.name for x in crossbar_layers(chip) if x.memrix.programmed.is_outdated(x.weight)]
    if changed:
        raise WriteError(
            f"the weights of these layers are others than their cells were written from: {listed(changed)}; "
            f"memrix.write(chip, batches) writes and fits them"
        )
    fitted = _copy(chip)
    layers = crossbar_layers(fitted)
    tuned = [layer for layer in layers if _is_tuned(layer)]
    keep_samples(fitted, layers, tuned, batches, max_batches)
    for layer in tuned:
        recalibrate_layer(layer)
        layer.memrix.keep_sample(None)
    return fitted


def _is_tuned(layer: CrossbarLayer) -> bool:
    return layer.memrix.geometry.observed and layer.memrix.chip.needs_calibration_samples


def _copy(chip: nn.Module) -> nn.Module:
    contents = Contents.of(chip)
    require_live_functions(contents, {layer: type(layer) for layer in crossbar_layers(chip)}, copied=True)
    copied, _ = copy_model(chip, contents)
    return copied
