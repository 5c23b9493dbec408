"""What runs where on a chip: cells, tiles, converters, and what stayed digital and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from memrix.costing import Costs
from memrix.model.batches import MOST_BATCHES
from memrix.model.chip_summary import Summary
from memrix.model.conversion import crossbar_layers
from memrix.model.digital import digital_layers
from memrix.model.inventory import candidate_layers
from memrix.model.layer_summary import LayerSummary
from memrix.model.modes import unread
from memrix.model.sqnr import Energies, measure
from memrix.nn.adoption import torch_type
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.registry import Handler, handler_of

__all__ = ["Summary", "summary"]


def summary(
    model: nn.Module,
    batches: Iterable[Any] | None = None,
    *,
    max_batches: int = MOST_BATCHES,
    progress: Callable[[int], None] | None = None,
    costs: Costs | None = None,
) -> Summary:
    """Summarize every candidate layer of a model, on a chip or digital, with the conversions since the last reset.

    The model is left as it was: its read noise and its counts of conversions continue where they were before the
    batches. ``memrix.reseed`` and ``memrix.reset_statistics`` start them over. Only cells that readings switch
    (``device.read_disturb``) stay as the batches have left them.

    Args:
        model: any module.
        batches: as for ``memrix.calibrate``: run through the chip to measure the SQNR of every layer against its
            digital operation. Their conversions are counted in the summary. Without batches nothing is run.
        max_batches: more are refused, before the first if ``len(batches)`` is known.
        progress: called with the number of batches done.
        costs: what ``memrix.costs`` has measured of the same chip, to be shown too.

    Raises:
        ConversionError: the model is not a module, or there are batches and no layer of it runs on a chip.
        CalibrationError: there are no batches, or too many; or the chip does not accept one.
    """
    if batches is None:
        return replace(_summarized(model, {}), costs=costs)
    with unread(crossbar_layers(model)):
        measured = measure(model, batches, max_batches=max_batches, progress=progress)
        return replace(_summarized(model, measured), costs=costs)


def _summarized(model: nn.Module, measured: Mapping[CrossbarLayer, Energies]) -> Summary:
    candidates = candidate_layers(model)
    layers = [
        _describe(layer.name, layer.module, measured.get(layer.module))
        for layer in candidates
        if isinstance(layer.module, CrossbarLayer)
    ]
    return Summary(tuple(layers), digital_layers(candidates, lambda layer: isinstance(layer.module, CrossbarLayer)))


def _describe(name: str, module: CrossbarLayer, energies: Energies | None) -> LayerSummary:
    crossbar, hardware = module.memrix.programmed.crossbar, module.memrix.chip
    report = crossbar.report
    adc = crossbar.circuit.adc
    crossbar.settle_()
    sets, resets = (0, 0) if crossbar.word_lines is None else map(int, crossbar.word_lines.switched.tolist())
    return LayerSummary(
        name=name,
        kind=kind_of(module),
        weight_shape=tuple(module.weight.shape),
        weight_bits=hardware.weight_bits,
        mapping=hardware.mapping,
        planes=crossbar.layout.planes,
        dac_bits=crossbar.circuit.dac.bits,
        adc_precision_bits=adc.precision_bits,
        adc_range_bits=adc.range_bits,
        adc_gain=adc.gain,
        tiles=crossbar.layout.tiles,
        cells=crossbar.layout.cells,
        utilization=crossbar.layout.utilization,
        pulses=report.pulses,
        energy=report.energy,
        reads=report.reads,
        disturbing_reads=report.disturbing_reads,
        failed=report.failed,
        conversions=crossbar.counts.conversions,
        clipped=crossbar.counts.clipped,
        signal_energy=None if energies is None else energies.signal,
        error_energy=None if energies is None else energies.error,
        reach=crossbar.reach(),
        read_sets=sets,
        read_resets=resets,
        wire_share=crossbar.wire_share,
        dac_inputs=crossbar.circuit.dac.inputs,
        adc_errors=adc.errors,
        columns_per_converter=adc.columns_per_converter,
        wire_scales=crossbar.wire_scales,
    )


def kind_of(module: CrossbarLayer) -> str:
    """The torch layer that a layer is, such as ``Linear``, also of a subclass."""
    handler = handler_of(module)
    return handler.kind if isinstance(handler, Handler) else torch_type(type(module)).__name__
