"""Many cells: weights mapped to cells, programming protocols, converters and the analog readout."""

from memrix.crossbar.converters import ADC, DAC
from memrix.crossbar.crossbar import Crossbar
from memrix.crossbar.degradation import Drift, Faults
from memrix.crossbar.mapping import Tile
from memrix.crossbar.protocols import (
    Cycled,
    Ideal,
    ProgrammingProtocol,
    ProgrammingReport,
    ResetRamp,
    ResetSet,
    WriteVerify,
)

__all__ = [
    "ADC",
    "DAC",
    "Crossbar",
    "Cycled",
    "Drift",
    "Faults",
    "Ideal",
    "ProgrammingProtocol",
    "ProgrammingReport",
    "ResetRamp",
    "ResetSet",
    "Tile",
    "WriteVerify",
]
