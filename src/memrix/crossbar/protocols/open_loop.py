"""Protocols that pulse and do not look: reset-set, with or without wear; and cells that are ideal."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memrix.crossbar.protocols.blocks import Verification, program_blocks
from memrix.crossbar.protocols.population import fresh_means, population_means
from memrix.crossbar.protocols.protocol import Programmed, ProgrammingReport
from memrix.device import CellCurrent, Cells, DeviceParameters, FreshCells
from memrix.device.cells import PULSE_WIDTH
from memrix.errors import HardwareError
from memrix.validation import require_integer, require_positive

# V, beyond every threshold of the measured device; of another one this is checked.
RESET_PULSE = 2.0
SET_PULSE = -2.0
_SAMPLE, _MOST_STUCK = 20_000, 0.01
WEAR_PULSES = 15  # in one cycle of wear, as in arXiv 2505.24721's library


@dataclass(frozen=True)
class ResetSet:
    """A pulse of +2 V on every cell of a fresh array, then of -2 V on the ON cells; nothing is verified.

    The energy reported is the expected one: cells are drawn from their distribution after the pulses.

    Attributes:
        pulse_width: s.
    """

    name: ClassVar[str] = "reset-set"
    analog: ClassVar[bool] = False
    pulse_width: float = PULSE_WIDTH

    def __post_init__(self) -> None:
        require_positive("programming.pulse_width", self.pulse_width, "s")

    def program(
        self, targets: Tensor, parameters: DeviceParameters, *, chip: torch.Generator, programming: torch.Generator
    ) -> Programmed:
        """Program fresh cells to bool targets of any shape."""
        require_switching(parameters)
        states = FreshCells(parameters).draw(targets, chip=chip, programming=programming)
        count, count_on = targets.numel(), int(torch.count_nonzero(targets))
        return Programmed(
            states,
            ProgrammingReport(
                cells=count,
                pulses=count + count_on,
                energy=self.pulse_width * self._power(parameters, count, count_on) if count else 0.0,
            ),
        )

    def _power(self, parameters: DeviceParameters, count: int, count_on: int) -> float:
        on, off = self.nominal_states(parameters)
        current = CellCurrent(parameters)

        def power(state: float, volts: float) -> float:
            low, slope = current.in_pulse(volts)
            return volts * (low + state * slope)

        # The current halfway between before and after the pulse, as for simulated cells.
        return count * power(off, RESET_PULSE) + count_on * power((off + on) / 2, SET_PULSE)

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """Mean state of ON and of OFF cells over a large population."""
        require_switching(parameters)
        return fresh_means(parameters)


@dataclass(frozen=True)
class Cycled:
    """Reset-set on worn cells: before it, each cell takes pulses of random voltages between -2 and 2 V.

    Attributes:
        cycles: of wear, 15 pulses each, as in arXiv 2505.24721.
        pulse_width: s.
    """

    name: ClassVar[str] = "cycled"
    analog: ClassVar[bool] = False
    cycles: int = 1
    pulse_width: float = PULSE_WIDTH

    def __post_init__(self) -> None:
        require_integer("programming.cycles", self.cycles, 0, 100_000)
        require_positive("programming.pulse_width", self.pulse_width, "s")

    def program(
        self, targets: Tensor, parameters: DeviceParameters, *, chip: torch.Generator, programming: torch.Generator
    ) -> Programmed:
        """Program cells to bool targets of any shape."""
        return program_blocks(
            targets, parameters, self._run, chip=chip, programming=programming, pulse_width=self.pulse_width
        )

    def _run(self, cells: Cells, on: Tensor, stream: torch.Generator, _: Verification) -> None:
        volts = torch.empty_like(cells.r)
        for _pulse in range(WEAR_PULSES * self.cycles):
            cells.apply_voltage(volts.uniform_(SET_PULSE, RESET_PULSE, generator=stream))
        reset_set(cells, on)

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """Mean state of ON and of OFF cells over a large population."""
        return population_means(self, parameters)


@functools.lru_cache(maxsize=8)
def require_switching(parameters: DeviceParameters) -> None:
    """Raise HardwareError unless the pulses of reset-set switch the cells of a device.

    The states of fresh arrays are drawn from what SET and complete RESET leave; that is no shortcut for others.
    """
    mend = f"every protocol pulses with {SET_PULSE:g} V and {RESET_PULSE:g} V: describe a device that they switch"
    if parameters.full_reset_voltage > RESET_PULSE:
        raise HardwareError(
            f"a reset of device {parameters.source!r} is complete from {parameters.full_reset_voltage:g} V on; {mend}"
        )
    cells = Cells(_SAMPLE, parameters, seed=0)
    cells.apply_voltage(SET_PULSE)
    set_off = float(cells.disturbed(SET_PULSE).double().mean())
    cells.apply_voltage(RESET_PULSE)
    stuck = set_off + float((cells.cycles == 0).double().mean())
    if stuck > _MOST_STUCK:
        raise HardwareError(f"{stuck:.1%} of the cells of device {parameters.source!r} do not switch; {mend}")


def reset_set(cells: Cells, on: Tensor) -> None:
    """Pulse +2 V on all cells, then -2 V on those of ``on`` (bool, of the cells' shape)."""
    cells.apply_voltage(RESET_PULSE)
    cells.apply_voltage(SET_PULSE, where=on)


@dataclass(frozen=True)
class Ideal:
    """Every cell reaches its nominal state exactly, or any level between OFF and ON: no variability, no pulses.

    The nominal states are the means of reset-set.
    """

    name: ClassVar[str] = "ideal"
    analog: ClassVar[bool] = True

    def program(
        self, targets: Tensor, parameters: DeviceParameters, *, chip: torch.Generator, programming: torch.Generator
    ) -> Programmed:
        """Program cells to bool targets or levels of any shape; the streams are not touched."""
        on, off = self.nominal_states(parameters)
        states = targets.to(torch.float32).mul_(on - off).add_(off) if targets.is_floating_point() else None
        if states is None:
            states = torch.full(targets.shape, off, dtype=torch.float32, device=targets.device)
            states.masked_fill_(targets, on)
        return Programmed(states, ProgrammingReport(cells=targets.numel()))

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """Mean state of ON and of OFF cells of reset-set."""
        require_switching(parameters)
        return fresh_means(parameters)
