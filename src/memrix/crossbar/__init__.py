"""Many cells: integers mapped to cells, programming protocols, converters, and the analog read.

A ``Crossbar`` knows nothing of layers and nothing of a torch model. It holds integer matrices in differential pairs
of cells, and multiplies vectors by them.

**A weight, from integers to cells** (``pairs.program_pairs``)::

    integers --- Layout.targets ---> targets of a bit slice --- protocol.program ---> states --- Faults ---> Pairs
    [groups, inputs, outputs]        ON or OFF, or levels                             r           age_       r+ - r-
                                                                                                             r+ + r-

**An input, from numbers to numbers** (``read.py``, in tensor operations and readable in one sitting)::

    input --- to_codes ---> codes --- look_up ---> d(U), v(U), w(U) of each input   (ReadCircuit.tables)
                                                      |
        product with r+ - r-, tile by tile: mean -----+----- product with r+ + r-: variance of the noise
                                           |                                 |
                                           +-------- + normals * sqrt -------+
                                                        |
                              results <--- slices, tiles added <--- convert_ (ADC)

``operator.py`` is the one way in: torch sees the operator ``memrix::read``, in eager calls and in graphs. It runs
``compiled.py`` on a CPU, which gives the same bits several times as fast, and ``read.py`` anywhere else. Each
physical effect has one file that both follow:

    mapping               bit slices, differential pairs, tiles; the number of each cell
    protocols/            how cells are brought to their targets
    pairs, degradation    integers written to pairs; stuck cells and drift
    relaxation, aging     cells that move after verification; pairs at a later time
    as_programmed         the states that later times are computed from, where a crossbar has others
    wires, ladder, wired  resistances of lines; what arrives along them; pairs as seen through them
    sneak                 what arrives from other word lines
    wires_compiled        the same on a CPU, the same bits; its loops: wire_kernels, sneak_kernels
    compensation          levels of cells that wires turn into the weights; its loops: compensation_kernels
    nodal                 arrays with wires solved exactly, for cells of any curve: needs scipy
    activation            currents at another temperature
    dac, adc, noise       the converters and the noise of a reading; circuit: their tables over the codes of a DAC
    converters            ADCs with errors: what each draws and makes of readings; its loops: converter_kernels
    bit_serial            readings of inputs bit by bit
    read, products        the read in tensor operations; its matrix product
    compiled              the read on a CPU; its loops: block_kernels, kernels
    gemm                  their matrix product; its loops: gemm_kernels, gemm_instructions
    rows, legacy_noise    two other reads: single rows (embedding); noise that the items of a batch share
    crossbar, counts      buffers of a programmed crossbar, and its conversions; codes: checks of what it is given
    record                where its streams of noise are, and how often its ADCs were used
    ranging, columns      after programming: the split of the ADC's bits, and gain and offset of each column
    reach, word_lines     readings that switch cells; disturbing: when; stored_word_lines: their state in files
    line_power            what drivers deliver to the cells, from counted codes
    fingerprint           whether a weight is the one that was written
    outside_graphs        what a graph of torch is cut at
"""

from memrix._support.renamed import former_names
from memrix.crossbar.adc import ADC
from memrix.crossbar.aging import age_
from memrix.crossbar.as_programmed import AsProgrammed
from memrix.crossbar.columns import column_corrections
from memrix.crossbar.compensation import Compensation, compensated
from memrix.crossbar.counts import Counts
from memrix.crossbar.crossbar import Crossbar
from memrix.crossbar.dac import DAC
from memrix.crossbar.degradation import Drift, Faults
from memrix.crossbar.mapping import Tile
from memrix.crossbar.pairs import CellTechnology, Pairs, in_tiles, program_pairs, rows_in_use
from memrix.crossbar.protocols import (
    Ideal,
    PreCycled,
    ProgrammingProtocol,
    ProgrammingReport,
    ResetRamp,
    ResetSet,
    WriteVerify,
    register_protocol,
)
from memrix.crossbar.ranging import best_converter
from memrix.crossbar.reach import ExposedCells, Reach
from memrix.crossbar.relaxation import Relaxation, TelegraphNoise
from memrix.crossbar.wired import through_wires
from memrix.crossbar.wires import Wires
from memrix.crossbar.word_lines import WordLines

__all__ = [
    "ADC",
    "DAC",
    "AsProgrammed",
    "CellTechnology",
    "Compensation",
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
    "Relaxation",
    "ResetRamp",
    "ResetSet",
    "TelegraphNoise",
    "Tile",
    "Wires",
    "WordLines",
    "WriteVerify",
    "age_",
    "best_converter",
    "column_corrections",
    "compensated",
    "in_tiles",
    "program_pairs",
    "register_protocol",
    "rows_in_use",
    "through_wires",
]

__getattr__ = former_names(__name__, {"Cycled": "PreCycled"})
