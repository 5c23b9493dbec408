"""Programming protocols: how the cells of a chip are brought to their targets, and what it takes."""

from memrix._support.renamed import former_names, warn_renamed
from memrix.crossbar.protocols.open_loop import Ideal, ResetSet
from memrix.crossbar.protocols.protocol import Programmed, ProgrammingProtocol, ProgrammingReport
from memrix.crossbar.protocols.reset_ramp import ResetRamp
from memrix.crossbar.protocols.wear import PreCycled
from memrix.crossbar.protocols.write_verify import WriteVerify

PROTOCOLS: dict[str, type[ProgrammingProtocol]] = {
    protocol.name: protocol for protocol in (ResetSet, PreCycled, WriteVerify, ResetRamp, Ideal)
}

_FORMER = {"cycled": PreCycled.name}


def protocol_name(name: str) -> str:
    """The present name of a protocol; a former one warns."""
    if name in _FORMER:
        warn_renamed(f"programming={name!r}", f"programming={_FORMER[name]!r}")
    return _FORMER.get(name, name)


__all__ = [
    "PROTOCOLS",
    "Ideal",
    "PreCycled",
    "Programmed",
    "ProgrammingProtocol",
    "ProgrammingReport",
    "ResetRamp",
    "ResetSet",
    "WriteVerify",
    "protocol_name",
]

__getattr__ = former_names(__name__, {"Cycled": "PreCycled"})
