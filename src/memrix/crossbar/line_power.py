"""What the drivers of word lines deliver to the cells: from counted DAC codes, exactly.

The current of a cell is affine in its state, ``I(r, U) = I_LL(U) + r d(U)``. So a word line of ``n`` cells whose
states add up to ``R`` takes ``n I_LL(U) + R d(U)``, and how often it carried each voltage is all there is to know.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from memrix.crossbar.dac import to_codes
from memrix.crossbar.mapping import POLARITIES
from memrix.device import CellCurrent
from memrix.device.parameters import Array

if TYPE_CHECKING:
    from memrix.crossbar.crossbar import Crossbar

_TOGETHER = 1 << 20  # inputs whose codes are counted at once


class CodeCounts:
    """How often each word line of a crossbar carried each DAC code.

    Args:
        crossbar: whose inputs are counted.
        looked_up: whether rows are read one at a time at the largest code, and not vectors.

    Attributes:
        counts: int64 ``[groups * inputs, codes]``, codes in ascending order.
        readings: in which a word line is driven at a code: those of its bits where inputs are bit-serial.
        vectors: input vectors so far, of each group.
    """

    def __init__(self, crossbar: Crossbar, *, looked_up: bool = False) -> None:
        layout, dac = crossbar.layout, crossbar.circuit.dac
        self._zero = dac.largest_code
        lines, device = layout.groups * layout.inputs, crossbar.difference.device
        self.counts = torch.zeros((lines, dac.codes_count), dtype=torch.int64, device=device)
        self._first = torch.arange(lines, device=device).view(layout.groups, 1, -1) * dac.codes_count
        # A row that is looked up is read once, at the voltage of the largest code, not bit by bit.
        self.readings = np.ones(dac.codes_count) if looked_up else dac.driven.sum(0)
        self.vectors = 0

    def add_(self, windows: Tensor, vector_axes: int, codes_per_unit: Tensor) -> None:
        """Count inputs.

        Args:
            windows: float32 ``[groups, *vectors, *inputs]``, as ``Crossbar.read`` takes them.
            vector_axes: axes of the vectors.
            codes_per_unit: DAC codes of an input of 1, a scalar.
        """
        items = windows.shape[1]
        others = math.prod(windows.shape[2 : 1 + vector_axes])
        step = max(1, _TOGETHER // max(1, others * self._first.numel()))
        for start in range(0, items, step):
            vectors = windows[:, start : start + step].flatten(1, vector_axes).flatten(2)  # [groups, n, inputs]
            codes = to_codes(vectors * codes_per_unit, self._zero).long()
            places = codes.add_(self._first + self._zero).flatten()
            # One histogram of all lines: of few vectors, places are counted one by one.
            if places.numel() >= self.counts.numel():
                self.counts += torch.bincount(places, minlength=self.counts.numel()).view_as(self.counts)
            else:
                self.counts.view(-1).scatter_add_(0, places, torch.ones_like(places))
        self.vectors += items * others

    def add_rows_(self, rows: Tensor) -> None:
        """Count rows of the only group that were read at the largest code, int64 ``[n]``."""
        self.counts[:, -1] += torch.bincount(rows, minlength=len(self.counts))
        self.vectors += len(rows)


@dataclass(frozen=True)
class Delivered:
    """What drivers delivered, summed over readings: for an energy or a charge, multiply by the time of a reading.

    Attributes:
        power: voltage times current of each word line, in W.
        current: of each word line, along its voltage, in A.
    """

    power: float
    current: float


def delivered(crossbar: Crossbar, counts: CodeCounts) -> Delivered | None:
    """What the drivers of a crossbar delivered in the readings that were counted.

    Cells are those as read: with their programming errors, faults, drift and temperature. With wires, each cell draws
    its current at the voltage that arrives along its word line, and the voltage at the driver counts: what the word
    line dissipates is part of the power. That bit lines are not quite at ground is neglected, so the power is an
    upper bound: of 128 x 128 cells with 0.35 ohm from cell to cell, half of them ON, by 0.2 % for inputs of either
    sign, 5 % for inputs of one sign, and 19 % where all word lines are at the same voltage (nodal solution).

    Args:
        crossbar: as it is now.
        counts: of its inputs.

    Returns:
        None where the states of the cells are not known: the chip has no noise or has wires, and an earlier memrix
        has saved it.
    """
    layout = crossbar.layout
    states = states_of_lines(crossbar)
    if states is None:
        return None
    current = CellCurrent(crossbar.cell_parameters)
    volts = crossbar.circuit.dac.voltages(current)
    often = counts.counts.double().cpu().numpy() * counts.readings
    cells = POLARITIES * layout.planes * layout.outputs
    low, slope = current.low_resistance(volts), current.slope(volts)
    # At another temperature a cell of state r draws what one of state shift + factor r does at 300 K.
    shift, factor = crossbar.circuit.activation.seen(crossbar.nominal_states, current.parameters.silent_state)
    low, slope = low + shift * slope, factor * slope

    def summed(weights: Array) -> float:
        return float((cells * (often @ (weights * low)) + states * (often @ (weights * slope))).sum())

    return Delivered(summed(volts), summed(np.sign(volts)))


def states_of_lines(crossbar: Crossbar) -> Array | None:
    """Sums of the states of the cells of each word line, ``[groups * inputs]``; None where they are not known."""
    crossbar.settle_()
    layout = crossbar.layout
    if crossbar.line_states is not None:
        sums = crossbar.line_states
    elif crossbar.total.numel() and crossbar.wire_share == 1:
        sums = crossbar.total.sum(-1, dtype=torch.float64)
    else:
        return None
    lines = sums.reshape(layout.groups, -1)[:, : layout.inputs]
    found: Array = lines.double().cpu().numpy().ravel()
    return found
