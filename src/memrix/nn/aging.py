"""A layer on a chip at a later time, and fitted again to the cells that it then has."""

from __future__ import annotations

import torch

from memrix.crossbar import CellTechnology, Crossbar, Pairs, age_
from memrix.crossbar.aging import changes_with_time, copied, has_aged, remember_, remembered
from memrix.errors import ConversionError, SettingsError
from memrix.hardware import Hardware
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.programming import as_read, integers_of, tune


def require_later(hardware: Hardware, seconds: float, name: str) -> Hardware:
    """The same hardware at a later time.

    Raises:
        SettingsError: it is older already, or its cells would grow beyond what cells conduct.
    """
    if seconds < hardware.drift.seconds:
        raise SettingsError(
            f"seconds counts from programming, and layer {name!r} is {hardware.drift.seconds:g} s old already, got "
            f"{seconds:g}; give a later time, or age the chip that this one was made from"
        )
    return hardware.replace(**{"drift.seconds": seconds})


def age_layer(layer: CrossbarLayer, seconds: float) -> None:
    """Let a layer be as old as told, in place: its cells follow from those that were programmed.

    Readings so far have switched the cells that they do; a cell that was switched counts as programmed that way.

    Args:
        layer: on programmed cells.
        seconds: since its programming.

    Raises:
        SettingsError: it is older already, or its cells would grow beyond what cells conduct.
        ConversionError: the chip is from a file that does not have the cells as programmed.
    """
    state, array, crossbar = layer.memrix, layer.memrix.programmed, layer.memrix.programmed.crossbar
    hardware = require_later(state.chip, seconds, state.name)
    technology = hardware.technology_of(crossbar.cell_parameters)
    with torch.inference_mode(False), torch.no_grad(), torch.autocast(layer.weight.device.type, enabled=False):
        crossbar.settle_()
        if changes_with_time(technology):
            _require_remembered(crossbar, state.chip, technology)
            exposed = None if crossbar.word_lines is None else crossbar.word_lines.exposed()
            programmed = Pairs(*remembered(crossbar), crossbar.report, crossbar.nominal_states, exposed=exposed)
            remember_(crossbar, programmed, technology)
            pairs = copied(programmed)
            age_(pairs, crossbar.layout, technology, seeds=array.seeds, name=state.name)
            seen = as_read(layer, pairs, crossbar.layout, technology)
            crossbar.hold_(seen)
            if crossbar.word_lines is not None and seen.exposed is not None:
                crossbar.word_lines.take_(seen.exposed.arriving)
    state.hardware = array.hardware = hardware


def _require_remembered(crossbar: Crossbar, hardware: Hardware, technology: CellTechnology) -> None:
    """Raise ConversionError unless a crossbar knows its cells as programmed."""
    changed = not hardware.wires.ideal or (hardware.drift.seconds > 0 and has_aged(technology))
    if crossbar.as_programmed is None and (changed or not crossbar.total.numel()):
        raise ConversionError(
            f"layer {crossbar.name!r} does not hold its cells as they were programmed: it was saved by a memrix that "
            f"kept them as they were read; program the model again"
        )


def recalibrate_layer(layer: CrossbarLayer) -> None:
    """Fit converter and columns of a layer to its present cells, in place, from the calibration samples it holds.

    What is read for it switches no cell.
    """
    array, crossbar = layer.memrix.programmed, layer.memrix.programmed.crossbar
    with torch.inference_mode(False), torch.no_grad(), torch.autocast(layer.weight.device.type, enabled=False):
        _, integers = integers_of(layer)
        counted, key = crossbar.record.clone(), crossbar.read_seed
        crossbar.settle_()
        lines, crossbar.word_lines = crossbar.word_lines, None
        try:
            crossbar.set_converter(array.hardware.circuit.adc)
            tune(layer, integers)
        finally:
            crossbar.word_lines, crossbar.read_seed = lines, key
            crossbar.record.copy_(counted)
