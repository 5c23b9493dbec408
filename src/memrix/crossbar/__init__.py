"""Many cells: weights mapped to cells, programming protocols, converters and the analog readout."""

from memrix._support.renamed import former_names
from memrix.crossbar.adc import ADC
from memrix.crossbar.columns import column_corrections
from memrix.crossbar.counts import Counts
from memrix.crossbar.crossbar import Crossbar
from memrix.crossbar.dac import DAC
from memrix.crossbar.degradation import Drift, Faults
from memrix.crossbar.mapping import Tile
from memrix.crossbar.pairs import CellTechnology, Pairs, drift_, in_tiles, program_pairs, rows_in_use
from memrix.crossbar.protocols import (
    Ideal,
    PreCycled,
    ProgrammingProtocol,
    ProgrammingReport,
    ResetRamp,
    ResetSet,
    WriteVerify,
)
from memrix.crossbar.ranging import best_converter
from memrix.crossbar.reach import ExposedCells, Reach
from memrix.crossbar.word_lines import WordLines

__all__ = [
    "ADC",
    "DAC",
    "CellTechnology",
    "Counts",
    "Crossbar",
    "Drift",
    "ExposedCells",
    "Faults",
    "Ideal",
    "Pairs",
    "PreCycled",
    "ProgrammingProtocol",
    "ProgrammingReport",
    "Reach",
    "ResetRamp",
    "ResetSet",
    "Tile",
    "WordLines",
    "WriteVerify",
    "best_converter",
    "column_corrections",
    "drift_",
    "in_tiles",
    "program_pairs",
    "rows_in_use",
]

__getattr__ = former_names(__name__, {"Cycled": "PreCycled"})
