"""Programming protocols: how the cells of a chip are brought to their targets, and what it takes."""

from memrix.crossbar.protocols.open_loop import Ideal, ResetSet
from memrix.crossbar.protocols.protocol import Programmed, ProgrammingProtocol, ProgrammingReport
from memrix.crossbar.protocols.reset_ramp import ResetRamp
from memrix.crossbar.protocols.wear import Cycled
from memrix.crossbar.protocols.write_verify import WriteVerify

PROTOCOLS: dict[str, type[ProgrammingProtocol]] = {
    protocol.name: protocol for protocol in (ResetSet, Cycled, WriteVerify, ResetRamp, Ideal)
}

__all__ = [
    "PROTOCOLS",
    "Cycled",
    "Ideal",
    "Programmed",
    "ProgrammingProtocol",
    "ProgrammingReport",
    "ResetRamp",
    "ResetSet",
    "WriteVerify",
]
