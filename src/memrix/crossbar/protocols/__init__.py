"""Programming protocols: how the cells of a chip are brought to their targets, and what it takes."""

from memrix.crossbar.protocols.closed_loop import ResetRamp, WriteVerify
from memrix.crossbar.protocols.open_loop import Ideal, ResetSet
from memrix.crossbar.protocols.protocol import Programmed, ProgrammingProtocol, ProgrammingReport
from memrix.crossbar.protocols.wear import Cycled

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
