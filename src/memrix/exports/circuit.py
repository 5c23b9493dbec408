"""One array of cells, its wires, drivers and sense amplifiers as lines of SPICE.

What no resistance separates is one node, as in ``memrix.crossbar.nodal``, which solves the same circuits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memrix.crossbar.wires import Wires
from memrix.device.parameters import Array

Floats = npt.NDArray[np.float64]

CELL = "cell"  # the subcircuit of a cell: word line, bit line, r


@dataclass(frozen=True)
class ArrayCircuit:
    """An array of a tile.

    Attributes:
        name: of the array in names of nodes and elements: ``p`` (positive cells), ``n`` (negative), or nothing.
        rows: numbers of its word lines in the tile.
        columns: names of its bit lines, from the drivers on.
        wires: around it.
        values: of cells, ``[rows, columns]``: conductances in S, or states.
        linear: whether they are conductances.
    """

    name: str
    rows: range
    columns: Sequence[str]
    wires: Wires
    values: Floats
    linear: bool

    def lines(self) -> Iterator[str]:
        """Elements of the array, without its sources."""
        yield from self._word_lines()
        yield from self._bit_lines()
        for row, values in zip(self.rows, self.values, strict=True):
            for column, value in zip(self.columns, values, strict=True):
                ends = f"{self._above(row, column)} {self._below(row, column)}"
                if not self.linear:
                    yield f"X{row}_{column} {ends} {CELL} r={value:.9g}"
                elif value > 0:
                    yield f"R{row}_{column} {ends} {1 / value:.12g}"

    def _word_lines(self) -> Iterator[str]:
        wires, first, last = self.wires, self.columns[0], self.columns[-1]
        end = wires.driver_ohms + wires.word_line
        if not end:
            return
        for row in self.rows:
            near, far = self._above(row, first), self._above(row, last)
            yield f"Rd{self.name}{row} {driver(row)} {near} {end:.12g}"
            if wires.word_line:
                for before, column in zip(self.columns[:-1], self.columns[1:], strict=True):
                    ends = f"{self._above(row, before)} {self._above(row, column)}"
                    yield f"Rw{row}_{column} {ends} {wires.word_line:.12g}"
            if wires.drive == "both-sides":
                yield f"Re{self.name}{row} {driver(row)} {far} {end:.12g}"

    def _bit_lines(self) -> Iterator[str]:
        wires = self.wires
        end = wires.sense_ohms + wires.bit_line
        if not end:
            return
        for column in self.columns:
            yield f"Rs{column} {self._below(self.rows[0], column)} {sensed(column)} {end:.12g}"
            if wires.bit_line:
                for before, row in zip(self.rows[:-1], self.rows[1:], strict=True):
                    ends = f"{self._below(before, column)} {self._below(row, column)}"
                    yield f"Rb{row}_{column} {ends} {wires.bit_line:.12g}"

    def _above(self, row: int, column: str) -> str:
        """The node of a cell on its word line."""
        if self.wires.word_line:
            return f"w{row}_{column}"
        return f"w{self.name}{row}" if self.wires.driver_ohms else driver(row)

    def _below(self, row: int, column: str) -> str:
        """The node of a cell on its bit line."""
        if self.wires.bit_line:
            return f"b{row}_{column}"
        return f"b{column}" if self.wires.sense_ohms else sensed(column)


def driver(row: int) -> str:
    """The node at the driver of a word line."""
    return f"in{row}"


def sensed(column: str) -> str:
    """The node at the sense amplifier of a bit line."""
    return f"s{column}"


def source_lines(rows: range, volts: Floats, columns: Sequence[str]) -> Iterator[str]:
    """Drivers of word lines, and virtual grounds whose currents are those of the bit lines."""
    for row, volt in zip(rows, volts, strict=True):
        yield f"Vin{row} {driver(row)} 0 DC {volt:.12g}"
    for column in columns:
        yield f"V{column} {sensed(column)} 0 DC 0"


def cell_lines(low: Array, difference: Array) -> Iterator[str]:
    """The subcircuit of a cell of state ``r``: ``I(r, U) = I_LL(U) + r d(U)``.

    Args:
        low: polynomial ``I_LL`` in A over V, highest degree first.
        difference: ``d``, likewise.
    """
    yield f".subckt {CELL} w b r=0.5"
    yield f"B1 w b I={_horner(low)}+{{r}}*({_horner(difference)})"
    yield ".ends"


def _horner(coefficients: Array) -> str:
    """A polynomial of the voltage of a cell without powers, which are undefined below 0 V for some programs."""
    text = f"{coefficients[0]:.17g}"
    for coefficient in coefficients[1:]:
        text = f"({text})*v(w,b)" + (f"+({coefficient:.17g})" if coefficient else "")
    return f"({text})"
