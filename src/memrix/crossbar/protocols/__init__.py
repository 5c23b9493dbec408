"""Programming protocols: how the cells of a chip are brought to their targets, and what it takes.

A protocol is a frozen dataclass of settings with the interface of ``protocol.ProgrammingProtocol``: ``program`` turns
targets into states, ``nominal_states`` says what an ON and an OFF cell are on average, before a chip exists::

    targets (ON or OFF, or levels) --- program ---> Programmed: states r, ProgrammingReport, cells within reach
    any shape                            |                            cells, pulses, J, reads, failed
                                         |
          open loop, states known: FreshCells draws them in one step         reset-set; ideal needs no draw
          pulses: program_blocks runs a procedure on Cells, block by block   pre-cycled, write-verify, reset-ramp

Streams are given, not made: ``chip`` for the devices, ``programming`` for everything else. What a cell draws is a
function of them and of its number, so results depend neither on blocks nor on threads. What a protocol draws beside
``Cells`` takes a stream of its own, ``Stream.of(programming.key, "use")``, at numbers of cells or arrays.

    protocol                  the interface and the report
    registry                  protocols by name; ``register_protocol`` adds one
    open_loop                 ``ResetSet``, which verifies nothing, and ``Ideal``
    wear                      ``PreCycled``: reset-set after random pulses
    write_verify, reset_ramp  ``WriteVerify`` and ``ResetRamp``, which read cells back; closed_loop: what they share
    blocks                    ``program_blocks``: a procedure on fresh cells, several blocks side by side
    pulses                    voltages and effort of pulses, checked
    population                nominal states, from a large population
    resampled                 cells of a protocol's statistics without its pulses, for training with device resampling

A protocol of a user's own has that interface and is registered by ``memrix.register_protocol``; the names of
``__all__`` below are public, for it to be built from. One of memrix is listed in ``registry``; ``wear`` is a short
example. Step by step: docs/own-protocol.md; for one of memrix, CONTRIBUTING.md.
"""

from memrix._support.renamed import former_names
from memrix._support.streams import Stream
from memrix.crossbar.protocols.blocks import Verification, program_blocks
from memrix.crossbar.protocols.closed_loop import read_back_of
from memrix.crossbar.protocols.open_loop import Ideal, ResetSet, reset_set
from memrix.crossbar.protocols.population import population_means
from memrix.crossbar.protocols.protocol import Programmed, ProgrammingProtocol, ProgrammingReport
from memrix.crossbar.protocols.registry import PROTOCOLS, protocol_name, register_protocol
from memrix.crossbar.protocols.reset_ramp import ResetRamp
from memrix.crossbar.protocols.wear import PreCycled
from memrix.crossbar.protocols.write_verify import WriteVerify

__all__ = [
    "PROTOCOLS",
    "Ideal",
    "PreCycled",
    "Programmed",
    "ProgrammingProtocol",
    "ProgrammingReport",
    "ResetRamp",
    "ResetSet",
    "Stream",
    "Verification",
    "WriteVerify",
    "population_means",
    "program_blocks",
    "protocol_name",
    "read_back_of",
    "register_protocol",
    "reset_set",
]

__getattr__ = former_names(__name__, {"Cycled": "PreCycled"})
