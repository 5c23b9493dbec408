"""The weight of a layer written to the cells of a chip, and converters and columns fitted to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from memrix._support.random import Seeds
from memrix.crossbar import (
    ADC,
    CellTechnology,
    Pairs,
    age_,
    best_converter,
    column_corrections,
    compensated,
    program_pairs,
    through_wires,
)
from memrix.crossbar.aging import copied, has_aged, remember_
from memrix.crossbar.columns import FEWEST_VECTORS
from memrix.crossbar.mapping import Layout
from memrix.device import CellCurrent
from memrix.errors import CalibrationError, ConversionError
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.programmed import ProgrammedArray
from memrix.nn.quantized import QuantizedLayer
from memrix.quantization import weight_integers


def program_layer(
    layer: CrossbarLayer,
    seeds: Seeds,
    progress: Callable[[int], None] | None = None,
    fit: Callable[[CrossbarLayer, Tensor], None] | None = None,
    *,
    reads: bool = True,
) -> None:
    """Quantize the weight of a layer and write it to the cells of a chip; fit the chip to them, and let time pass.

    What is read to fit the chip switches no cell.

    Args:
        layer: with an activation range.
        seeds: of the three random streams.
        progress: called with a number of cells whenever so many more are programmed.
        fit: called with the layer and the integers ``[groups, inputs, outputs]`` once the cells hold them.
        reads: whether to tell the cells within reach of readings, which these switch if the hardware has that.

    Raises:
        CalibrationError: the layer has no activation range.
        ConversionError: the weight is not finite.
    """
    state = layer.memrix
    state.require_calibration()
    if not bool(torch.isfinite(layer.weight.detach()).all()):
        raise ConversionError(
            f"the weight of layer {state.name!r} holds NaN or infinite values; "
            f"a chip can hold finite weights only: load or train the model again"
        )
    technology = _technology(layer) if reads else replace(state.chip.technology, reads=None)
    # What is made in inference mode could not be changed outside of it.
    with torch.inference_mode(False), torch.no_grad(), torch.autocast(layer.weight.device.type, enabled=False):
        step, integers = integers_of(layer)
        layout = state.chip.layout(*integers.shape)
        levels, scale = levels_for_wires(layer, integers, layout, technology)
        pairs = program_pairs(
            integers, layout, technology, seeds=seeds, name=state.name, progress=progress, levels=levels
        )
        if scale is not None and scale.numel():
            step = step / scale.flatten()
            pairs = replace(pairs, wire_scales=(float(scale.min()), float(scale.max())))
        array = ProgrammedArray(state.name, state.chip, seeds, step)
        seen = as_read(layer, pairs, layout, technology)
        array.install(seen, layout)
        array.take(layer.weight)
        state.array = array
        if fit is not None:
            fit(layer, integers)
        if reads:
            remember_(array.crossbar, pairs, technology)
        if has_aged(technology):
            pairs = copied(pairs)
            age_(pairs, layout, technology, seeds=seeds, name=state.name)
            seen = as_read(layer, pairs, layout, technology)
            array.crossbar.hold_(seen)
        if seen.exposed is not None:
            array.expose(seen.exposed)


def levels_for_wires(
    layer: CrossbarLayer, integers: Tensor, layout: Layout, technology: CellTechnology
) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """Levels that make up for the wires, and the scale of each output; None where cells are not to do that."""
    chip = layer.memrix.chip
    if not chip.compensates_wires:
        return None, None
    return compensated(integers, layout, technology, chip.wires, name=layer.memrix.name)


def as_read(layer: CrossbarLayer, pairs: Pairs, layout: Layout, technology: CellTechnology) -> Pairs:
    """Pairs as they are read through the wires of the chip."""
    hardware = layer.memrix.chip
    if hardware.wires.ideal:
        return pairs  # before the voltages of the DAC, which take milliseconds
    return through_wires(
        pairs,
        layout,
        technology,
        hardware.wires,
        volts=float(hardware.dac.voltages(CellCurrent(technology.parameters))[-1]),
        temperature=hardware.device.temperature,
    )


def _technology(layer: CrossbarLayer) -> CellTechnology:
    """The cells, read with the voltages that the inputs of a layer may drive."""
    technology = layer.memrix.chip.technology
    if technology.reads is None or layer.memrix.geometry.observed:
        return technology
    return replace(technology, reads=replace(technology.reads, lowest=0.0))  # an index drives the largest code


def tune(layer: CrossbarLayer, integers: Tensor) -> None:
    """Fit converter and columns to the programmed cells, where the hardware has that, from the calibration samples.

    Args:
        layer: on programmed cells.
        integers: that the cells are to hold, ``[groups, inputs, outputs]``.

    Raises:
        CalibrationError: there are no input vectors, or too few.
    """
    state, array = layer.memrix, layer.memrix.programmed
    hardware, sample = state.chip, state.input_sample
    if not (state.geometry.observed and hardware.needs_calibration_samples):
        return
    if sample is None:
        raise CalibrationError(
            f"layer {state.name!r} has no calibration samples, which this hardware is tuned with after programming; "
            f"run memrix.calibrate(model, batches, hardware) with the same hardware"
        )
    codes = hardware.dac.codes(sample.float(), state.activation_step)
    if hardware.adc.per_layer:
        array.crossbar.set_converter(best_converter(array.crossbar, codes, integers.ne(0).any(1)))
    if not hardware.column_calibration:
        return
    if codes.shape[1] < FEWEST_VECTORS:
        raise CalibrationError(
            f"layer {state.name!r} has {codes.shape[1]} calibration samples, too few to tell the gain of its "
            f"columns from their scatter; give memrix.calibrate batches that run it on at least {FEWEST_VECTORS}"
        )
    array.calibrate_columns(*column_corrections(array.crossbar, codes, _held(layer, integers)))


def _held(layer: CrossbarLayer, integers: Tensor) -> Tensor:
    """What cells are to hold of integers: behind wires that they were programmed for, these times a scale."""
    state = layer.memrix
    if not state.chip.compensates_wires:
        return integers
    step, _ = integers_of(layer)
    scaled = state.programmed.weight_step
    # An output without weights has steps of 0, and holds nothing at any scale.
    scale = torch.where(scaled > 0, step / scaled, 1.0)
    return integers * state.geometry.by_output(layer, scale)


def suitable_converter(layer: CrossbarLayer, vectors: Tensor, integers: Tensor) -> ADC | None:
    """The ADC of the hardware's bits that changes the results of input vectors ``[groups, n, inputs]`` least.

    None if there is nothing but zeros to go by, as in the first state of a recurrent layer. ``integers``: that the
    cells are to hold, ``[groups, inputs, outputs]``.
    """
    state = layer.memrix
    codes = state.chip.dac.codes(vectors.float(), state.activation_step)
    return best_converter(state.programmed.crossbar, codes, integers.ne(0).any(1)) if bool(codes.any()) else None


def integers_of(layer: QuantizedLayer) -> tuple[Tensor, Tensor]:
    """The weight of one integer step, ``[1]`` or ``[groups * outputs]``, and ``[groups, inputs, outputs]``."""
    state, geometry = layer.memrix, layer.memrix.geometry
    matrix = geometry.weight_to_matrix(layer, layer.weight.detach().float())
    step = state.weight_step(matrix).detach()
    return step, geometry.split(layer, weight_integers(matrix, step, state.chip.weight_bits))
