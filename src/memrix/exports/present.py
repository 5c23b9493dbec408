"""The cells of a layer as they are now, before wires and converters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from memrix.crossbar import CellTechnology, Crossbar, Pairs, WordLines, age_, program_pairs
from memrix.crossbar.aging import copied
from memrix.crossbar.mapping import POLARITIES
from memrix.errors import ConversionError
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.programming import as_read, integers_of, levels_for_wires

_SAME = 0.01  # relative difference of readings; half precision of files makes 2.4e-4, other cells more than 0.1


@dataclass(frozen=True, eq=False)
class PresentCells:
    """Cells of a layer, and what they were to be.

    Attributes:
        difference: ``r+ - r-`` of the pairs, float32 ``[groups * row tiles, rows, planes * outputs]``.
        total: ``r+ + r-``, likewise.
        integers: weights that they were programmed to, int32 ``[groups, inputs, outputs]``.
        levels: targets of cells that were programmed for their wires, ``[planes, polarities, groups, inputs,
            outputs]``; None: the digits of the integers.
    """

    difference: Tensor
    total: Tensor
    integers: Tensor
    levels: Tensor | None


@torch.inference_mode(False)
@torch.no_grad()
def present_cells(layer: CrossbarLayer) -> PresentCells:
    """The states of the cells of a layer, with all that time and readings so far have done to them.

    A crossbar holds what readings see. Behind ideal wires and with noise these are the cells. Otherwise the cells
    follow from those of programming: kept where time changes cells, else programmed again from the seeds of the chip
    and compared with what the crossbar holds.

    Args:
        layer: whose weight is the one that its cells were written from.

    Raises:
        ConversionError: cells that are programmed again are not those of the chip.
    """
    crossbar, hardware = layer.memrix.programmed.crossbar, layer.memrix.chip
    crossbar.settle_()
    technology = replace(hardware.technology_of(crossbar.cell_parameters), reads=None)
    _, integers = integers_of(layer)
    levels, _ = levels_for_wires(layer, integers, crossbar.layout, technology)
    if hardware.wires.ideal and crossbar.total.numel():
        return PresentCells(crossbar.difference, crossbar.total, integers, levels)
    kept = crossbar.as_programmed
    if kept is not None:
        pairs = copied(Pairs(kept.difference, kept.total, crossbar.report, crossbar.nominal_states))
    else:
        seeds, name = layer.memrix.programmed.seeds, layer.memrix.name
        pairs = program_pairs(integers, crossbar.layout, technology, seeds=seeds, name=name, levels=levels)
    age_(pairs, crossbar.layout, technology, seeds=layer.memrix.programmed.seeds, name=layer.memrix.name)
    if crossbar.word_lines is not None:
        _switch_(pairs, crossbar.word_lines)
    if kept is None:
        _require_same(layer, crossbar, pairs, technology)
    return PresentCells(pairs.difference, pairs.total, integers, levels)


def _switch_(pairs: Pairs, lines: WordLines) -> None:
    """Give the cells that readings may switch the states that they have."""
    exposed = lines.exposed()
    pair, negative = exposed.places // POLARITIES, (exposed.places % POLARITIES).bool()
    difference, total = pairs.difference.view(-1), pairs.total.view(-1)
    for side in (negative, ~negative):
        # A pair may have both cells here: one after the other.
        where, sign = pair[side], 1 - 2 * (exposed.places[side] % POLARITIES).to(total.dtype)
        change = exposed.cells.r[side] - (total[where] + sign * difference[where]) / 2
        difference.index_add_(0, where, sign * change)
        total.index_add_(0, where, change)


def _require_same(layer: CrossbarLayer, crossbar: Crossbar, pairs: Pairs, technology: CellTechnology) -> None:
    """Raise ConversionError unless cells that were programmed again are read as those of the chip."""
    seen = as_read(layer, pairs, crossbar.layout, technology).difference
    error = torch.linalg.vector_norm(seen - crossbar.difference)
    if not bool(error <= _SAME * torch.linalg.vector_norm(crossbar.difference)):
        raise ConversionError(
            f"layer {layer.memrix.name!r} holds only what readings see of its cells, and programming it again "
            f"with the same seeds gives other cells: the chip was saved by another memrix, or its weights were cast "
            f"to fewer bits; program the model again"
        )
