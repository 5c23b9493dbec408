"""The circuit that reads single cells back while they are programmed."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

# Of the unit: cells above read as the largest code.
_HEADROOM = 1.25


@dataclass(frozen=True)
class ReadBack:
    """A converter of its own, with the noise of a reading in front of it.

    Attributes:
        voltage: at which cells are tested, in V.
        bits: of the converter; its codes span currents from 0 to a quarter above the unit.
        bandwidth: of a reading, in Hz.
        unit: current in A that reads as 1, such as that of a nominal ON cell at the voltage.
        temperature: K.
    """

    voltage: float
    bits: int
    bandwidth: float
    unit: float
    temperature: float = 300.0

    @property
    def step(self) -> float:
        """Reading of one code."""
        return _HEADROOM / (1 << self.bits)

    @property
    def largest_code(self) -> int:
        """Of the codes from 0."""
        return (1 << self.bits) - 1

    @property
    def codes_per_ampere(self) -> float:
        """Of the converter."""
        return 1 / (self.unit * self.step)

    def convert(self, currents: Tensor) -> Tensor:
        """Readings of currents in A, in place."""
        codes = currents.mul_(self.codes_per_ampere).round_()
        return codes.clamp_(0, self.largest_code).mul_(self.step)
