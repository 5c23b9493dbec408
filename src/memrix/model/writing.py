"""A chip whose weights were changed, written again: the same devices, another programming."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from memrix._support.random import Seeds, derive
from memrix._support.tables import listed
from memrix.crossbar.codes import require_finite
from memrix.errors import ConversionError, WriteError
from memrix.model.batches import MOST_BATCHES, run_batches
from memrix.model.conversion import counting, crossbar_layers
from memrix.model.modes import evaluating, observing
from memrix.model.observation import vector_sampler
from memrix.model.undo import unchanged_on_failure
from memrix.nn.cached_read import of_torch_layer
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.programming import program_layer, tune
from memrix.nn.usable import unusable_tensors


def write(
    chip: nn.Module,
    batches: Iterable[Any] | None = None,
    *,
    max_batches: int = MOST_BATCHES,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[str, ...]:
    """Write weights that have changed since a chip was programmed, to the same devices, in place.

    The cells go through another programming cycle: devices are the same, cycle-to-cycle variability is drawn again,
    and pulses, energy and readings add to those so far. Activation ranges, read noise and layers with unchanged
    weights do not change. Layers that are written are at once as old as ``drift.seconds`` of the hardware says.

    Args:
        chip: as ``memrix.program`` gave it.
        batches: as for ``memrix.calibrate``; needed if the hardware is tuned after programming, to fit converters
            and columns to the new cells.
        max_batches: as for ``memrix.calibrate``.
        progress: called with the number of cells written so far, the total, and the name of the layer.

    Returns:
        The names of the layers that were written.

    Raises:
        ConversionError: no layer of the model runs on a chip.
        ConversionError: a weight is not finite.
        WriteError: a weight is of a type, a layout or a shape that its cells cannot hold; or the hardware is tuned
            after programming and there are no batches, or they do not reach a layer.
        CalibrationError: as ``memrix.calibrate`` raises it for batches.

    After any error, including Ctrl-C, the chip is unchanged.
    """
    changed = [layer for layer in crossbar_layers(chip) if layer.memrix.programmed.is_outdated(layer.weight)]
    for layer in changed:
        _require_writable(layer)
    broken = [layer.memrix.name for layer in changed if not bool(torch.isfinite(layer.weight.detach()).all())]
    if broken:
        raise ConversionError(
            f"the weights of these layers hold NaN or infinite values: {listed(broken)}; a chip can hold finite "
            f"weights only: load or train them again"
        )
    tuned = [
        layer for layer in changed if layer.memrix.geometry.observed and layer.memrix.chip.needs_calibration_samples
    ]
    if tuned and batches is None:
        raise WriteError(
            f"the hardware of these layers is tuned after programming: {listed([x.memrix.name for x in tuned])}; "
            f"give typical inputs, memrix.write(chip, batches)"
        )
    total = sum(layer.memrix.programmed.crossbar.layout.cells for layer in changed)
    count = counting(progress, total)
    with unchanged_on_failure(chip):
        if tuned and batches is not None:
            keep_samples(chip, changed, tuned, batches, max_batches)
        for layer in changed:
            _write_again(layer, count(layer.memrix.name))
    return tuple(layer.memrix.name for layer in changed)


def _require_writable(layer: CrossbarLayer) -> None:
    """Raise WriteError unless the weight of a layer is one that its cells could hold."""
    weight, layout = layer.weight, layer.memrix.programmed.crossbar.layout
    reason = unusable_tensors(layer)
    if reason is None and weight.numel() != layout.groups * layout.inputs * layout.outputs:
        reason = (
            f"the weight of this {type(layer).__name__} is {list(weight.shape)} now, and its cells were laid out for "
            f"{layout.groups} x {layout.inputs} x {layout.outputs}; program a model of that shape"
        )
    if reason is not None:
        raise WriteError(f"layer {layer.memrix.name!r} cannot be written again: {reason}")


def _write_again(layer: CrossbarLayer, progress: Callable[[int], None]) -> None:
    state, before = layer.memrix, layer.memrix.programmed
    seeds = Seeds(before.seeds.chip, derive(before.seeds.programming, "written again"), before.seeds.read)
    program_layer(layer, seeds, progress, tune)
    state.keep_sample(None)
    array = state.programmed
    now, so_far = array.crossbar.report, before.crossbar.report
    # Of the cells and of those that fail there are as many as now; pulses, energy and readings add up.
    array.crossbar.report = replace(now + so_far, cells=now.cells, failed=now.failed)
    array.crossbar.continue_from(before.crossbar)


def keep_samples(
    chip: nn.Module,
    changed: list[CrossbarLayer],
    tuned: list[CrossbarLayer],
    batches: Iterable[Any],
    max_batches: int,
) -> None:
    """Keep calibration samples on layers that are to be tuned; those that are ``changed`` compute digitally."""
    samplers = {layer: vector_sampler(layer.memrix.name) for layer in tuned}
    reached = set()

    def observe(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        layer: Any = module
        geometry = layer.memrix.geometry
        activations, _ = geometry.bind(inputs, of_torch_layer(named))
        if activations.numel():
            require_finite(activations, layer.memrix.name)
            reached.add(layer)
            samplers[layer].observe(geometry.unfold(layer, activations.detach().float()).flatten(1, 2))

    with observing(changed), evaluating(chip):
        hooks = [layer.register_forward_pre_hook(observe, with_kwargs=True) for layer in tuned]
        try:
            run_batches(chip, batches, max_batches=max_batches)
        finally:
            for hook in hooks:
                hook.remove()
    missed = [layer.memrix.name for layer in tuned if layer not in reached]
    if missed:
        raise WriteError(f"no batch reached these layers: {listed(missed)}; give batches that run them")
    with torch.inference_mode(False):
        for layer, sampler in samplers.items():
            layer.memrix.keep_sample(sampler.vectors().clone())
