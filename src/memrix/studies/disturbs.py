"""How many programmed cells readings would switch, by protocol and voltage."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from memrix._support.streams import Stream
from memrix.crossbar import ProgrammingProtocol
from memrix.device import DeviceParameters, ReadRange

VOLTS = (-0.6, -0.5, -0.4, 0.4, 0.5, 0.6)


@dataclass(frozen=True)
class DisturbRow:
    """Cells that one protocol has programmed to one target.

    Attributes:
        protocol: its name and what distinguishes it.
        target: ``ON`` or ``OFF``.
        shares: of the cells that a reading at each of ``VOLTS`` would switch.
    """

    protocol: str
    target: str
    shares: tuple[float, ...]

    def cells(self) -> tuple[str, ...]:
        """A line of a table: protocol, target, and cells in 10,000."""
        return (self.protocol, self.target, *(_three_digits(1e4 * share) for share in self.shares))


def _three_digits(number: float) -> str:
    return f"{float(f'{number:.3g}'):,g}"


DISTURB_HEAD = ("protocol", "target", *(f"{volts:+.1f} V" for volts in VOLTS))


def disturb_rows(
    name: str, protocol: ProgrammingProtocol, parameters: DeviceParameters, cells: int, seed: int
) -> list[DisturbRow]:
    """One row for ON and one for OFF cells.

    Args:
        name: of the protocol.
        protocol: that programs the cells.
        parameters: of the device.
        cells: at either target.
        seed: of the cells.
    """
    reads = ReadRange(min(VOLTS), max(VOLTS), kept=True)
    rows = []
    for target, on in (("OFF", False), ("ON", True)):
        chip, programming = (Stream.of(seed, use) for use in ("chip", "programming"))
        targets = torch.full((cells,), on)
        programmed = protocol.program(targets, parameters, chip=chip, programming=programming, reads=reads)
        within = programmed.within_reach
        block = None if within is None else within.cells
        counts = [0] * len(VOLTS)
        if block is not None:
            reached = [block.within_reach(min(volts, 0.0), max(volts, 0.0)) for volts in VOLTS]
            counts = [int((sets | resets).sum()) for sets, resets in reached]
        rows.append(DisturbRow(name, target, tuple(count / cells for count in counts)))
    return rows
