"""The reset ramp: a closed loop that reaches any level between OFF and ON."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix._support.validation import require_choice, require_number
from memrix.crossbar.protocols.blocks import Verification, program_blocks
from memrix.crossbar.protocols.closed_loop import READ_BANDWIDTH, read_back_of, require_device, require_settings
from memrix.crossbar.protocols.population import population_means
from memrix.crossbar.protocols.protocol import Programmed
from memrix.crossbar.protocols.pulses import (
    LEAST_PULSE,
    MOST_STUCK,
    pulses_of,
    require_effort,
    require_targets,
)
from memrix.device import CellCurrent, Cells, DeviceParameters, ReadRange, reset_share
from memrix.device.cells import PULSE_WIDTH
from memrix.device.draws import CellStreams
from memrix.device.ramp_rounds import FreshRamped, RampRounds
from memrix.device.ranges import NO_BREAKDOWN, PULSE_RANGE
from memrix.errors import SettingsError

_FINEST_STEP = 1e-5  # V


@dataclass(frozen=True)
class ResetRamp:
    """SET, then reset pulses that rise step by step until the current read back has fallen to the target.

    The cell stops at any current between those of ``off`` and ``on``, several times closer than reset-set brings it.
    A ramp stops on average half a step too low; what a sample of cells shows of that is added to the target.
    Cells that are off in the end are reset, SET and ramped again.

    Attributes:
        step: voltage between two pulses of the ramp, in V.
        rounds: number of ramps at most.
        on: current of an ON cell, as a share of that of a nominal ON cell of reset-set at the test voltage: a little
            below it, because a ramp only leads downwards.
        off: current of an OFF cell, as a share of the same current: high enough for the cells whose OFF current is
            large to reach it.
        start: first voltage of the ramp, in V.
        stop: highest voltage of the ramp, in V.
        test_voltage: voltage at which cells are read back, in V.
        tolerance: deviation within which a cell passes verification, as a share of the same current.
        read_bits: bits of the converter that reads cells back.
        read_bandwidth: bandwidth of reading a cell back, in Hz; its noise is physical, at 300 K.
        pulse_width: width of every pulse, in s.
        set_voltage: voltage of a SET pulse, which makes a cell ON, in V; None: that of
            ``memrix.device.pulse_voltages``.
        reset_voltage: voltage of a RESET pulse, which makes a cell OFF, in V; None: that of
            ``memrix.device.pulse_voltages``.
        compensate_wires: whether cells are programmed to levels that the wires of their array turn into the wanted
            weights, see ``memrix.crossbar.compensation``.
    """

    name: ClassVar[str] = "reset-ramp"
    analog: ClassVar[bool] = True
    step: float = 0.01
    rounds: int = 2
    on: float = 0.85
    off: float = 0.18
    start: float = 0.5
    stop: float = 1.45
    test_voltage: float = 0.2
    tolerance: float = 0.05
    read_bits: int = 10
    read_bandwidth: float = READ_BANDWIDTH
    pulse_width: float = PULSE_WIDTH
    set_voltage: float | None = None
    reset_voltage: float | None = None
    compensate_wires: bool = False

    def __post_init__(self) -> None:
        require_settings(self)
        require_choice("programming.compensate_wires", self.compensate_wires, (True, False))
        require_number("programming.step", self.step, _FINEST_STEP, PULSE_RANGE, "V", why="no source is finer")
        for name in ("start", "stop"):
            require_number(
                f"programming.{name}", getattr(self, name), LEAST_PULSE, PULSE_RANGE, "V", why=NO_BREAKDOWN
            )
        if self.stop <= self.start:
            raise SettingsError(
                f"programming.stop must lie above programming.start, got {self.stop} V and {self.start} V"
            )
        for name in ("on", "off"):
            require_number(f"programming.{name}", getattr(self, name), 0.0, 1.2)
        if self.off >= self.on:
            raise SettingsError(
                f"programming.off must lie below programming.on, got {self.off} and {self.on} of the ON current"
            )

        require_effort(
            self.most_pulses,
            f"{self._steps:,} steps in each of {self.rounds:,} rounds; raise programming.step = {self.step:g} V or "
            f"lower programming.rounds",
        )

    @property
    def most_pulses(self) -> int:
        """Pulses that a cell takes at most: a RESET, a SET and all steps of the ramp in every round."""
        return self.rounds * (2 + self._steps)

    def require_device(self, parameters: DeviceParameters) -> None:
        """Raise SettingsError unless pulses and ramp suit a device, and its currents are known."""
        require_device(self, parameters)
        if self.stop >= parameters.full_reset_voltage:
            raise SettingsError(
                f"programming.stop must lie below {parameters.full_reset_voltage:g} V, where a reset of this device "
                f"is complete, got {self.stop} V"
            )
        stuck = 1 - reset_share(parameters, self.stop)
        if stuck > MOST_STUCK:
            raise SettingsError(
                f"the ramp ends at programming.stop = {self.stop:g} V, below the RESET voltage of {stuck:.2%} of the "
                f"cells of device {parameters.source!r}, which would all stay ON; raise programming.stop, which must "
                f"lie below {parameters.full_reset_voltage:g} V, where a reset of this device is complete"
            )

    @property
    def _steps(self) -> int:
        # A step that ends a rounding error beyond the stop still counts.
        return math.floor((self.stop - self.start) / self.step + 1e-9) + 1

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
        """Program fresh cells to bool targets or levels of any shape.

        Arguments as for ``memrix.ProgrammingProtocol.program``.

        Raises:
            SettingsError: the ramp reaches voltages at which a reset of this device is complete.
        """
        require_targets(targets, analog=self.analog)
        return self.ramp(
            targets,
            parameters,
            _overshoot(replace(self, compensate_wires=False), parameters),
            chip=chip,
            programming=programming,
            first=first,
            reads=reads,
        )

    def ramp(
        self,
        targets: Tensor,
        parameters: DeviceParameters,
        overshoot: tuple[float, ...],
        *,
        chip: Stream,
        programming: Stream,
        first: int = 0,
        reads: ReadRange | None = None,
    ) -> Programmed:
        """``program`` with ``overshoot`` added to the targets: one value for each of ``_SAMPLE_LEVELS``.

        Arguments as for ``program``.
        """
        self.require_device(parameters)
        pulses = pulses_of(self, parameters)
        rounds = RampRounds(
            volts=tuple(self.start + number * self.step for number in range(self._steps)),
            circuit=read_back_of(self, parameters),
            set_voltage=pulses.set,
            reset_voltage=pulses.reset,
            rounds=self.rounds,
            tolerance=self.tolerance,
        )

        def readings(target: Tensor) -> tuple[Tensor, Tensor]:
            if target.dtype == torch.bool:
                aims, ends = readings(torch.tensor([0.0, 1.0], device=target.device))
                return torch.where(target, aims[1], aims[0]), torch.where(target, ends[1], ends[0])
            levels = target.to(torch.float32)
            wanted = levels * (self.on - self.off) + self.off
            return wanted + _interpolate(levels, overshoot), wanted

        def ahead(streams: CellStreams, target: Tensor, states: Tensor) -> FreshRamped | None:
            return rounds.run_fresh(parameters, streams, *readings(target), reads, states)

        def run(cells: Cells, target: Tensor, verification: Verification) -> None:
            verification.failed += rounds.run(cells, *readings(target))

        return program_blocks(
            targets,
            parameters,
            run,
            chip=chip,
            programming=programming,
            first=first,
            pulse_width=self.pulse_width,
            reads=reads,
            ahead=ahead,
        )

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """Mean state of ON and of OFF cells over a large population."""
        return population_means(replace(self, compensate_wires=False), parameters)


# Levels at which a sample of cells tells how far a ramp overshoots, from OFF to ON.
_SAMPLE_LEVELS = 9
_SAMPLE_CELLS = 1 << 12
_SAMPLE_SEED = 7


@functools.lru_cache(maxsize=32)
def _overshoot(protocol: ResetRamp, parameters: DeviceParameters) -> tuple[float, ...]:
    """How far below its target a ramp stops on average, as a share of the ON current, at each sample level."""
    levels = torch.linspace(0, 1, _SAMPLE_LEVELS, dtype=torch.float32).repeat_interleave(_SAMPLE_CELLS)
    circuit = read_back_of(protocol, parameters)
    current = CellCurrent(parameters)
    # The higher aim moves the place where the ramp stops, and so the overshoot: a second look is exact enough.
    overshoot = (0.0,) * _SAMPLE_LEVELS
    for look in range(2):
        chip, programming = Stream.of(_SAMPLE_SEED, "chip"), Stream.of(_SAMPLE_SEED, "programming", str(look))
        states = protocol.ramp(levels, parameters, overshoot, chip=chip, programming=programming).states
        reached = current.of(states.double(), torch.tensor(protocol.test_voltage, dtype=torch.float32)).div(
            circuit.unit
        )
        missing = levels * (protocol.on - protocol.off) + protocol.off - reached
        # A median: a cell that cannot reach its target at all says nothing about the others.
        medians = missing.view(_SAMPLE_LEVELS, -1).median(dim=1).values
        overshoot = tuple(o + float(m) for o, m in zip(overshoot, medians, strict=True))
    return overshoot


def _interpolate(levels: Tensor, values: tuple[float, ...]) -> Tensor:
    """Values between those at equal steps of the level from 0 to 1."""
    table = torch.tensor(values, dtype=torch.float32, device=levels.device)
    position = levels * (len(values) - 1)
    lower = position.floor().clamp_(0, len(values) - 2)
    index = lower.long()
    low, high = table[index], table[index + 1]
    # Product and sum apart: the same bits on any device.
    return (high - low).mul_(position - lower).add_(low)
