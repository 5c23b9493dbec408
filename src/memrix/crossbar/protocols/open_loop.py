"""Protocols that pulse and do not look: reset-set; and cells that are ideal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix._support.validation import plain_settings, require_choice
from memrix.crossbar.protocols.population import fresh_means
from memrix.crossbar.protocols.protocol import Programmed, ProgrammingReport
from memrix.crossbar.protocols.pulses import (
    pulses_of,
    require_pulses,
    require_switching,
    require_targets,
)
from memrix.device import CellCurrent, Cells, DeviceParameters, FreshCells, PulseVoltages, ReadRange, WithinReach
from memrix.device.cells import PULSE_WIDTH


@dataclass(frozen=True)
class ResetSet:
    """A RESET pulse on every cell of a fresh array (+2 V), then a SET pulse (-2 V) on ON cells; nothing is verified.

    The energy reported is the expected one: cells are drawn from their distribution after the pulses.

    Attributes:
        pulse_width: width of every pulse, in s.
        set_voltage: voltage of a SET pulse, which makes a cell ON, in V; None: that of
            ``memrix.device.pulse_voltages``.
        reset_voltage: voltage of a RESET pulse, which makes a cell OFF, in V; None: that of
            ``memrix.device.pulse_voltages``.
    """

    name: ClassVar[str] = "reset-set"
    analog: ClassVar[bool] = False
    most_pulses: ClassVar[int] = 2
    pulse_width: float = PULSE_WIDTH
    set_voltage: float | None = None
    reset_voltage: float | None = None

    def __post_init__(self) -> None:
        require_pulses(self)

    def require_device(self, parameters: DeviceParameters) -> None:
        """Raise SettingsError unless the pulses switch the cells of a device."""
        require_switching(self, parameters)

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
        states, within = FreshCells(parameters).draw_within(
            reads, targets, chip=chip, programming=programming, first=first
        )
        count, count_on = targets.numel(), int(torch.count_nonzero(targets))
        return Programmed(
            states,
            ProgrammingReport(
                cells=count,
                pulses=count + count_on,
                energy=self.pulse_width * self._power(parameters, count, count_on) if count else 0.0,
            ),
            within,
        )

    def _power(self, parameters: DeviceParameters, count: int, count_on: int) -> float:
        on, off = self.nominal_states(parameters)
        pulses = pulses_of(self, parameters)
        current = CellCurrent(parameters)

        def power(state: float, volts: float) -> float:
            low, slope = current.in_pulse(volts)
            return volts * (low + state * slope)

        # The current halfway between before and after the pulse, as for simulated cells.
        return count * power(off, pulses.reset) + count_on * power((off + on) / 2, pulses.set)

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """Mean state of ON and of OFF cells over a large population."""
        self.require_device(parameters)
        return fresh_means(parameters)


def reset_set(cells: Cells, on: Tensor, pulses: PulseVoltages) -> None:
    """RESET all cells, then SET some of them.

    Args:
        cells: fresh or programmed.
        on: the cells to SET, bool of the cells' shape.
        pulses: voltages of both pulses.
    """
    cells.apply_voltage(pulses.reset)
    cells.apply_voltage(pulses.set, where=on)


@dataclass(frozen=True)
class Ideal:
    """Every cell reaches its nominal state exactly, or any level between OFF and ON: no variability, no pulses.

    No reading switches it. The nominal states are the means of reset-set.

    Attributes:
        compensate_wires: whether cells are programmed to levels that the wires of their array turn into the wanted
            weights, see ``memrix.crossbar.compensation``.
    """

    name: ClassVar[str] = "ideal"
    analog: ClassVar[bool] = True
    most_pulses: ClassVar[int] = 0
    compensate_wires: bool = False

    def __post_init__(self) -> None:
        plain_settings(self)
        require_choice("programming.compensate_wires", self.compensate_wires, (True, False))

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
        """Program cells to bool targets or levels of any shape; the streams are not touched.

        Arguments as for ``memrix.ProgrammingProtocol.program``.
        """
        require_targets(targets, analog=self.analog)
        on, off = self.nominal_states(parameters)
        states = targets.to(torch.float32).mul_(on - off).add_(off) if targets.is_floating_point() else None
        if states is None:
            states = torch.full(targets.shape, off, dtype=torch.float32, device=targets.device)
            states.masked_fill_(targets, on)
        # Their thresholds lie as far away as it takes.
        return Programmed(states, ProgrammingReport(cells=targets.numel()), WithinReach.none(targets.device))

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """Mean state of ON and of OFF cells of reset-set."""
        return fresh_means(parameters)
