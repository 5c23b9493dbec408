"""Resistances of the wires of an array, and what of each cell they let through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from memrix._support.validation import plain_settings, require_choice, require_integer, require_number
from memrix.crossbar.ladder import ladder_voltages
from memrix.crossbar.mapping import Tile
from memrix.crossbar.sneak import sneak_conductances
from memrix.errors import SettingsError

Arrays = Literal["separate", "interleaved"]
Drive = Literal["one-side", "both-sides"]

_MOST_OHMS = 1e6


@dataclass(frozen=True)
class Wires:
    """Resistances around the cells of an array, in ohm.

    The first cell of a word line lies next to its driver, that of a bit line next to its sense amplifier, a virtual
    ground. Typical are 0.1 to 0.35 ohm a cell for thick metal at relaxed pitch, and 1 to 5 ohm at a pitch of 40 nm.

    Attributes:
        ohms_per_cell: resistance in ohm from cell to cell along word lines and along bit lines, and from a driver or
            sense amplifier to the first cell.
        word_line_ohms: the same in ohm for word lines alone; by default ``ohms_per_cell``.
        bit_line_ohms: the same in ohm for bit lines alone; by default ``ohms_per_cell``.
        driver_ohms: resistance of a driver, in ohm.
        sense_ohms: resistance of a sense amplifier, in ohm.
        arrays: ``separate`` arrays hold the positive and the negative cells of a tile, or ``interleaved`` columns of
            one array do.
        drive: word lines have drivers on ``one-side``, or on ``both-sides``.
        rows_at_once: number of rows of a tile that are read at once, a divisor of ``tile.rows``; all by default.
            Fewer rows put less current on bit lines, and each part of a tile has its own ADC conversions, which are
            added digitally. The cells of other rows carry no current: their access transistors are off, or their word
            lines float between bit lines near ground. Bit lines are as long as ever.
    """

    ohms_per_cell: float = 0.0
    word_line_ohms: float | None = None
    bit_line_ohms: float | None = None
    driver_ohms: float = 0.0
    sense_ohms: float = 0.0
    arrays: Arrays = "separate"
    drive: Drive = "one-side"
    rows_at_once: int | None = None

    def __post_init__(self) -> None:
        plain_settings(self)
        for name in ("ohms_per_cell", "word_line_ohms", "bit_line_ohms", "driver_ohms", "sense_ohms"):
            value = getattr(self, name)
            if value is not None or name not in ("word_line_ohms", "bit_line_ohms"):
                require_number(f"wires.{name}", value, 0.0, _MOST_OHMS, "ohm")
        require_choice("wires.arrays", self.arrays, get_args(Arrays))
        require_choice("wires.drive", self.drive, get_args(Drive))
        if self.rows_at_once is not None:
            require_integer("wires.rows_at_once", self.rows_at_once, 1, 1 << 20)

    def require_parts(self, rows: int) -> None:
        """Raise SettingsError unless tiles of so many rows can be read in parts of ``rows_at_once``."""
        if self.rows_at_once is not None and rows % self.rows_at_once:
            divisors = [number for number in range(1, rows + 1) if rows % number == 0]
            raise SettingsError(
                f"wires.rows_at_once must divide the {rows} rows of a tile, got {self.rows_at_once}; give one of "
                f"{', '.join(map(str, divisors))}, or another tile.rows"
            )

    @property
    def word_line(self) -> float:
        """Resistance from cell to cell along a word line, in ohm."""
        return self.ohms_per_cell if self.word_line_ohms is None else self.word_line_ohms

    @property
    def bit_line(self) -> float:
        """Resistance from cell to cell along a bit line, in ohm."""
        return self.ohms_per_cell if self.bit_line_ohms is None else self.bit_line_ohms

    @property
    def ideal(self) -> bool:
        """Whether nothing resists."""
        return not (self.word_line or self.bit_line or self.driver_ohms or self.sense_ohms)

    def around(self, tile: Tile) -> str:
        """The resistances around the arrays of a tile in words, for a message."""
        return (
            f"{self.word_line:g} and {self.bit_line:g} ohm a cell, drivers of {self.driver_ohms:g} ohm and sense "
            f"amplifiers of {self.sense_ohms:g} ohm around arrays of {tile.rows} x {tile.columns} cells"
        )

    def beyond(self, rows: int) -> Wires:
        """The wires around the part of an array behind so many rows, whose cells carry no current."""
        return replace(self, sense_ohms=min(self.sense_ohms + rows * self.bit_line, _MOST_OHMS))

    def shares(self, conductances: Tensor) -> tuple[Tensor, Tensor]:
        """Of each cell: the share of the driver's voltage that arrives, and the share of its current that counts.

        In this array, a cell of conductance ``G`` counts as one of ``voltage share * G * current share`` does in a
        perfect one: see ``memrix.crossbar.ladder``.

        Args:
            conductances: of the cells of arrays, in S, ``[..., rows, columns]``, floating point; 0: no cell.

        Returns:
            Two tensors of the same shape.
        """
        voltages = ladder_voltages(
            conductances,
            end_ohms=self.driver_ohms + self.word_line,
            cell_ohms=self.word_line,
            both_ends=self.drive == "both-sides",
        )
        currents = ladder_voltages(conductances.mT, end_ohms=self.sense_ohms + self.bit_line, cell_ohms=self.bit_line)
        return voltages, currents.mT

    def effective(self, conductances: Tensor) -> Tensor:
        """What each cell of a perfect array would have to conduct to give the currents of this one, in S.

        Args:
            conductances: as for ``shares``.

        Returns:
            A tensor of the same shape: what ``shares`` leave of a cell, and what arrives along sneak paths.
        """
        voltages, currents = self.shares(conductances)
        return (conductances * voltages * currents).add_(self.sneak(conductances, voltages, currents))

    def sneak(self, conductances: Tensor, voltages: Tensor, currents: Tensor) -> Tensor:
        """Conductance along sneak paths from the driver of a row to a column: see ``memrix.crossbar.sneak``.

        Args:
            conductances: as for ``shares``.
            voltages: that ``shares`` gave.
            currents: likewise.
        """
        return sneak_conductances(
            conductances,
            voltages,
            currents,
            word_line=(self.driver_ohms + self.word_line, self.word_line),
            bit_line=(self.sense_ohms + self.bit_line, self.bit_line),
            both_ends=self.drive == "both-sides",
        )


def interleave(positive: Tensor, negative: Tensor) -> Tensor:
    """Columns of two arrays ``[..., rows, columns]`` side by side in one, ``[..., rows, 2 * columns]``."""
    return torch.stack((positive, negative), -1).flatten(-2)


def apart(columns: Tensor) -> tuple[Tensor, Tensor]:
    """The opposite of ``interleave``."""
    positive, negative = columns.unflatten(-1, (-1, 2)).unbind(-1)  # type: ignore[no-untyped-call]
    return positive, negative
