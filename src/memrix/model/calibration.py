"""Activation ranges and calibration samples, from data."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from torch import nn

from memrix._support.tables import listed
from memrix.errors import CalibrationError
from memrix.model.batches import MOST_BATCHES, require_batches, run_batches
from memrix.model.calibration_result import Calibration
from memrix.model.contents import Contents
from memrix.model.inventory import rule
from memrix.model.observation import WatchedLayer, observation
from memrix.model.patterns import HardwareChoice, Layers
from memrix.model.readiness import has_range
from memrix.model.references import require_live_functions
from memrix.model.selection import Selected, decompose_owners, quantized_classes, select, warn_of_digital
from memrix.model.undo import unchanged_on_failure
from memrix.model.unreached import require_known, stays_digital
from memrix.model.watching import Watch


def calibrate(
    model: nn.Module,
    batches: Iterable[Any],
    hardware: HardwareChoice,
    *,
    layers: Layers = None,
    percentile: float = 99.99,
    keep_ranges: bool = False,
    max_batches: int = MOST_BATCHES,
    unreached: Literal["error", "digital"] = "error",
    progress: Callable[[int], None] | None = None,
) -> Calibration:
    """Find the static activation range of every layer: a percentile of its input magnitudes over the batches.

    The model runs in evaluation mode without activation quantizers, and is left in its previous mode. The ranges are
    stored on the layers, for ``quantize`` and ``program``. Learned ranges start from them, and are not changed once
    they exist. For hardware that is tuned after programming, calibration samples of every layer are collected.
    Composite layers such as ``nn.MultiheadAttention`` are decomposed.

    If the first batch reads the weight of a layer outside of the layer's calls, that code would not use the cells.
    Such a layer stays digital, with a warning; if it is selected by name, it is an error.

    Args:
        model: a float or quantized module.
        batches: inputs of ``model``, each a tensor, a tuple or list of arguments, or a mapping of keyword arguments.
        hardware: the chip or chips, as for ``program``.
        layers: the layers to calibrate, likewise.
        percentile: of the input magnitudes; larger inputs are clipped. 100 is the largest, as in arXiv 2505.24721.
        keep_ranges: do not change existing ranges, such as trained ones; only collect calibration samples.
        max_batches: more are refused, before the first if ``len(batches)`` is known; a hundred are usually plenty.
        unreached: for layers that no batch reaches, such as unused experts: ``"error"`` or ``"digital"``.
        progress: called with the number of batches done.

    Returns:
        The ranges, with histograms and samples: print it, save it, or apply it to other copies of the model.

    Raises:
        CalibrationError: a batch fails, no batch reaches a layer, or the percentile is invalid.
        InputError: an activation is not finite.
        ConversionError: lists every layer that cannot be mapped as asked.

    After any error, including Ctrl-C, the model is unchanged.
    """
    require_known(unreached)
    selected = select(model, hardware, layers, anew=True)
    require_batches(batches)
    require_live_functions(Contents.of(model), quantized_classes(selected), copied=False)
    watched = [WatchedLayer(layer, percentile) for layer in selected if layer.handler.geometry.observed]
    with unchanged_on_failure(model):
        watch, done = _run(model, batches, selected, watched, max_batches, progress)
        missed = {each.layer.name: each.empty for each in watched if not each.reached}
        digital = stays_digital(selected, missed, watch, unreached)
        kept = [each for each in watched if each.layer.name not in digital]
        found = tuple(each.keep(ranges=not (keep_ranges and has_range(each.layer))) for each in kept)
        for layer in selected:
            rule(layer.module, digital.get(layer.name))
    _warn_of_silence(kept)
    warn_of_digital(model, list(digital.items()))
    return Calibration(found, digital, done)


def _run(
    model: nn.Module,
    batches: Iterable[Any],
    selected: Sequence[Selected],
    watched: Sequence[WatchedLayer],
    max_batches: int,
    progress: Callable[[int], None] | None,
) -> tuple[Watch, int]:
    """Run the batches: what the first one did with the weights, and how many there were."""
    decompose_owners(selected)
    watch = Watch(model, {layer.name: layer.module for layer in selected})

    def around(number: int) -> AbstractContextManager[None]:
        return watch.watching() if number == 1 else nullcontext()

    with observation(model, watched):
        done = run_batches(model, batches, max_batches=max_batches, progress=progress, around=around)
    if not done:
        raise CalibrationError("there is no batch to calibrate on; give at least one batch of typical inputs")
    watch.note_calls(each.layer.name for each in watched if each.reached)
    return watch, done


def observe_uses(
    model: nn.Module, batches: Iterable[Any], selected: Sequence[Selected]
) -> tuple[dict[str, str], list[str]]:
    """Run batches to see what a model does with the weights of its layers; nothing is kept.

    Returns:
        Layers that cells would not stand for everywhere, with the reason, and those that nothing has reached.

    Raises:
        CalibrationError: there is no batch, or one is not taken by the model.
        InputError: an activation is not finite.
    """
    owners = {layer.name: layer.owner.module for layer in selected if layer.owner is not None}
    watch = Watch(model, {layer.name: layer.module for layer in selected}, owners)
    with observation(model, [WatchedLayer(layer, 100.0) for layer in selected if layer.handler.geometry.observed]):
        if not run_batches(model, batches, around=lambda number: watch.watching()):
            raise CalibrationError("there is no batch to run; give at least one batch of typical inputs")
    objections = watch.objections
    return objections, [name for name, use in watch.uses.items() if not use.called and name not in objections]


def _warn_of_silence(watched: Sequence[WatchedLayer]) -> None:
    names = [each.layer.name for each in watched if each.silent]
    if names:
        warnings.warn(
            f"these layers were given nothing but zeros, or values below what float32 can divide into DAC codes: "
            f"{listed(names)}; with such a range they give the same output for every input: calibrate on batches "
            f"that give them others, or leave them out with layers=...",
            stacklevel=3,
        )
