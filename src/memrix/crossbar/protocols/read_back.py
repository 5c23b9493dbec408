"""The circuit that reads single cells back while they are programmed."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from memrix.device import Cells

# Of the nominal ON current at the test voltage: cells above read as the largest code.
_HEADROOM = 1.25


@dataclass(frozen=True)
class ReadBack:
    """A converter of its own, with the noise of a reading in front of it.

    Attributes:
        voltage: at which cells are tested, in V.
        bits: of the converter; its codes span currents from 0 to a quarter above that of a nominal ON cell.
        bandwidth: of a reading, in Hz.
        unit: current in A of a nominal ON cell at the voltage: readings are in units of it.
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

    def convert(self, currents: Tensor) -> Tensor:
        """Readings of currents in A, in place."""
        codes = currents.div_(self.unit * self.step).round_()
        return codes.clamp_(0, (1 << self.bits) - 1).mul_(self.step)

    def read(self, cells: Cells, active: Tensor) -> Tensor:
        """Readings of cells, one float32 for each; those that are not ``active`` (bool) give 0."""
        return self.convert(cells.read(self.voltage, active, temperature=self.temperature, bandwidth=self.bandwidth))
