"""Many cells: weights mapped to cells, programming protocols, converters and the analog readout."""

from memrix.crossbar.converters import ADC, DAC
from memrix.crossbar.crossbar import Crossbar
from memrix.crossbar.mapping import Tile
from memrix.crossbar.programming import Ideal, ProgrammingProtocol, ResetSet

__all__ = ["ADC", "DAC", "Crossbar", "Ideal", "ProgrammingProtocol", "ResetSet", "Tile"]
