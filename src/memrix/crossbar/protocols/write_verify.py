"""Write-verify: cells that are read back, and programmed again where they are off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix.crossbar.protocols.blocks import Verification, program_blocks
from memrix.crossbar.protocols.closed_loop import READ_BANDWIDTH, read_back_of, require_device, require_settings
from memrix.crossbar.protocols.open_loop import ResetSet, reset_set
from memrix.crossbar.protocols.population import fresh_means, population_means
from memrix.crossbar.protocols.protocol import Programmed
from memrix.crossbar.protocols.pulses import (
    pulses_of,
    require_effort,
    require_targets,
)
from memrix.device import CellCurrent, Cells, DeviceParameters, ReadRange
from memrix.device.cells import PULSE_WIDTH


@dataclass(frozen=True)
class WriteVerify:
    """Reset-set, then rounds of reading every cell back and programming those again that are off.

    A cell is compared with the current that its target state is expected to carry at the test voltage. One that is
    off takes both pulses again, and so draws another cycle.

    Attributes:
        rounds: number of rounds of verification at most.
        test_voltage: voltage at which cells are read back, in V.
        tolerance: deviation on either side at which a cell passes, as a share of the current of a nominal ON cell at
            the test voltage.
        read_bits: bits of the converter that reads cells back.
        read_bandwidth: bandwidth of reading a cell back, in Hz; its noise is physical, at 300 K.
        pulse_width: width of every pulse, in s.
        set_voltage: voltage of a SET pulse, which makes a cell ON, in V; None: that of
            ``memrix.device.pulse_voltages``.
        reset_voltage: voltage of a RESET pulse, which makes a cell OFF, in V; None: that of
            ``memrix.device.pulse_voltages``.
    """

    name: ClassVar[str] = "write-verify"
    analog: ClassVar[bool] = False
    rounds: int = 5
    test_voltage: float = 0.2
    tolerance: float = 0.05
    read_bits: int = 8
    read_bandwidth: float = READ_BANDWIDTH
    pulse_width: float = PULSE_WIDTH
    set_voltage: float | None = None
    reset_voltage: float | None = None

    def __post_init__(self) -> None:
        require_settings(self)
        require_effort(self.most_pulses, f"programming.rounds = {self.rounds:,} is too many")

    @property
    def most_pulses(self) -> int:
        """Pulses that a cell takes at most."""
        return ResetSet.most_pulses + 2 * self.rounds

    def require_device(self, parameters: DeviceParameters) -> None:
        """Raise SettingsError unless the pulses switch the cells of a device, and its currents are known."""
        require_device(self, parameters)

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
        """Program fresh cells to bool targets of any shape.

        Arguments as for ``memrix.ProgrammingProtocol.program``.
        """
        require_targets(targets, analog=self.analog)
        self.require_device(parameters)
        circuit = read_back_of(self, parameters)
        pulses = pulses_of(self, parameters)
        off = _share_of_off(parameters, self.test_voltage)

        def run(cells: Cells, on: Tensor, verification: Verification) -> None:
            reset_set(cells, on, pulses)
            expected = torch.full_like(cells.r, off).masked_fill_(on, 1.0)
            again = torch.full_like(cells.r, pulses.set).masked_fill_(on, pulses.reset)
            back = torch.full_like(cells.r, pulses.reset).masked_fill_(on, pulses.set)
            active = torch.ones_like(on)
            for number in range(self.rounds + 1):
                active &= (cells.read_back(circuit, active) - expected).abs_() > self.tolerance
                if number == self.rounds or not bool(active.any()):
                    break
                cells.apply_voltage(again, where=active)
                cells.apply_voltage(back, where=active)
            verification.failed += int(torch.count_nonzero(active))

        return program_blocks(
            targets,
            parameters,
            run,
            chip=chip,
            programming=programming,
            first=first,
            pulse_width=self.pulse_width,
            reads=reads,
        )

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """Mean state of ON and of OFF cells over a large population."""
        return population_means(self, parameters)


def _share_of_off(parameters: DeviceParameters, test_voltage: float) -> float:
    """Current of a nominal OFF cell, as a share of that of a nominal ON cell."""
    on, off = fresh_means(parameters)
    current = CellCurrent(parameters)
    return current.of(off, test_voltage) / current.of(on, test_voltage)
