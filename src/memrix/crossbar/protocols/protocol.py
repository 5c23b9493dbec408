"""What every programming protocol offers, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix._support.validation import shown
from memrix.device import DeviceParameters, ReadRange, WithinReach
from memrix.errors import SettingsError


@dataclass(frozen=True)
class ProgrammingReport:
    """What it took to program cells. Reports of several crossbars add up.

    Attributes:
        cells: cells programmed.
        pulses: voltages applied to single cells.
        energy: of these pulses, in J: the sum of ``U * I * width``, as in ``memrix.device.Cells``.
        reads: readings of single cells to verify them.
        disturbing_reads: those of them whose voltage lay beyond a threshold of the cell.
        failed: cells that did not pass their last verification.
    """

    cells: int = 0
    pulses: int = 0
    energy: float = 0.0
    reads: int = 0
    disturbing_reads: int = 0
    failed: int = 0

    def __add__(self, other: ProgrammingReport) -> ProgrammingReport:
        return ProgrammingReport(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class Programmed(NamedTuple):
    """Cells after programming.

    Attributes:
        states: ``r``, float32 of the shape of the targets.
        report: what it took.
        within_reach: the cells that readings may switch, where they were asked for.
    """

    states: Tensor
    report: ProgrammingReport
    within_reach: WithinReach | None = None


@runtime_checkable
class ProgrammingProtocol(Protocol):
    """How the cells of a chip are programmed: the interface of a protocol.

    A protocol is a frozen dataclass of its settings. ``memrix.register_protocol`` makes its name known to files.
    docs/own-protocol.md, "Add a programming protocol", has examples.

    Two more attributes let ``memrix.check`` tell beforehand what will go wrong, or take long: ``require_device``, a
    method that raises SettingsError unless the protocol can program a device of given parameters, and
    ``most_pulses``, which one cell may take. A protocol whose ``by_array`` is true is given ``arrays`` as well:
    integers from 0 that broadcast to the targets, the number of the array that each cell lies in. One that reaches
    levels and whose setting ``compensate_wires`` is true is given the levels of
    ``memrix.crossbar.compensation`` where the hardware has wires.

    Attributes:
        name: in files and on the command line.
        analog: whether cells reach any level between OFF and ON.
    """

    name: ClassVar[str]
    analog: ClassVar[bool]

    def program(
        self,
        targets: Tensor,
        parameters: DeviceParameters,
        *,
        chip: Stream,
        programming: Stream,
        first: int = 0,
        reads: ReadRange | None = None,
    ) -> Programmed:
        """Program fresh cells.

        Args:
            targets: any shape: bool (whether a cell is to be ON), or, if ``analog``, float32 levels: 0 is OFF, 1 is
                ON, and the current is linear in between.
            parameters: of the device.
            chip: stream of the device-to-device draw.
            programming: stream of all other random numbers.
            first: number of the first cell: cells are numbered in the order of the targets. What a cell draws is a
                function of the streams, its number and the number of the draw (``memrix.device.draws``), whatever
                cells are programmed together.
            reads: voltages of readings to come, to tell the cells within their reach; these change no cell.
        """
        ...

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """Mean state of ON and of OFF cells."""
        ...


def checked(programmed: object, protocol: ProgrammingProtocol, targets: Tensor) -> Programmed:
    """What a protocol has made of targets.

    Raises:
        SettingsError: it is something else than a ``Programmed`` of the shape of the targets.
    """
    what = f"{type(protocol).__name__}.program must return"
    if not isinstance(programmed, Programmed) or not isinstance(programmed.report, ProgrammingReport):
        raise SettingsError(
            f"{what} a Programmed(states, report) with a ProgrammingReport, got {_described(programmed)}; "
            f"memrix.crossbar.protocols.program_blocks gives one"
        )
    states = programmed.states
    expected = f"states of {list(targets.shape)}, float32 on {targets.device}"
    if not isinstance(states, Tensor):
        raise SettingsError(f"{what} {expected}, got {_described(states)}")
    if (states.shape, states.dtype, states.device) != (targets.shape, torch.float32, targets.device):
        raise SettingsError(
            f"{what} {expected}, the shape of the targets; got {_described(states)} on {states.device}"
        )
    return programmed


def _described(value: object) -> str:
    """What a protocol has returned, for a message."""
    if isinstance(value, Tensor):
        return f"a tensor {list(value.shape)} of {value.dtype}"
    if isinstance(value, tuple):
        return f"a {type(value).__name__} of {', '.join(type(item).__name__ for item in value)}"
    return shown(value)
