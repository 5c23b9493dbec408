"""Pre-cycling: reset-set on worn cells, as in the library of arXiv 2505.24721."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memrix._support.validation import require_integer
from memrix.crossbar.protocols.blocks import Verification, program_blocks
from memrix.crossbar.protocols.open_loop import ResetSet, reset_set
from memrix.crossbar.protocols.population import population_means
from memrix.crossbar.protocols.protocol import Programmed
from memrix.crossbar.protocols.pulses import (
    pulses_of,
    require_effort,
    require_pulses,
    require_switching,
    require_targets,
)
from memrix.device import Cells, DeviceParameters, PulseVoltages
from memrix.device.cells import PULSE_WIDTH
from memrix.device.reach import ReadRange

WEAR_PULSES = 15  # in one cycle of wear, as in arXiv 2505.24721's library
_CELLS_OF_AN_ARRAY = 128 * 128  # where nothing says which cells share one; as in the paper


@dataclass(frozen=True)
class PreCycled:
    """Pre-cycling (endurance): pulses of random voltages between those of SET and RESET, then reset-set.

    As in the library of arXiv 2505.24721, a pulse has one voltage for all cells of an array: those of one tile, one
    plane and one polarity.

    Attributes:
        cycles: of pre-cycling, 15 pulses each, as in arXiv 2505.24721.
        pulse_width: s.
        set_voltage: of a pulse that makes a cell ON, in V; None: ``memrix.device.pulse_voltages`` of the device.
        reset_voltage: the same of one that makes it OFF.
    """

    name: ClassVar[str] = "pre-cycled"
    analog: ClassVar[bool] = False
    by_array: ClassVar[bool] = True
    cycles: int = 1
    pulse_width: float = PULSE_WIDTH
    set_voltage: float | None = None
    reset_voltage: float | None = None

    def __post_init__(self) -> None:
        require_pulses(self)
        require_integer("programming.cycles", self.cycles, 0, 100_000)
        require_effort(self.most_pulses, f"programming.cycles = {self.cycles:,} is too many")

    @property
    def most_pulses(self) -> int:
        """Pulses that a cell takes at most."""
        return WEAR_PULSES * self.cycles + ResetSet.most_pulses

    def require_device(self, parameters: DeviceParameters) -> None:
        """Raise SettingsError unless the pulses switch the cells of a device."""
        require_switching(self, parameters)

    def program(
        self,
        targets: Tensor,
        parameters: DeviceParameters,
        *,
        chip: torch.Generator,
        programming: torch.Generator,
        reads: ReadRange | None = None,
        arrays: Tensor | None = None,
    ) -> Programmed:
        """Program cells to bool targets of any shape.

        ``arrays``, integers from 0 that broadcast to the targets, tell in which array each cell lies; without them
        16,384 cells in a row make one.
        """
        require_targets(targets, analog=self.analog)
        self.require_device(parameters)
        if arrays is None:
            arrays = torch.arange(targets.numel(), device=targets.device).div_(
                _CELLS_OF_AN_ARRAY, rounding_mode="floor"
            )
            arrays = arrays.view(targets.shape)
        pulses = pulses_of(self, parameters)
        count = int(arrays.max()) + 1 if arrays.numel() else 0
        voltages = wear_voltages(self.cycles, count, pulses, programming)

        def run(cells: Cells, encoded: Tensor, _: torch.Generator, __: Verification) -> None:
            on, array = encoded.remainder(2).bool(), encoded.div(2, rounding_mode="floor")
            for volts in voltages:
                cells.apply_voltage(volts.index_select(0, array))
            reset_set(cells, on, pulses)

        # A block is given what belongs to its cells as one number each.
        return program_blocks(
            arrays.expand(targets.shape) * 2 + targets,
            parameters,
            run,
            chip=chip,
            programming=programming,
            pulse_width=self.pulse_width,
            reads=reads,
        )

    def nominal_states(self, parameters: DeviceParameters) -> tuple[float, float]:
        """Mean state of ON and of OFF cells over a large population."""
        return population_means(self, parameters)


def wear_voltages(cycles: int, arrays: int, pulses: PulseVoltages, stream: torch.Generator) -> Tensor:
    """``[pulses, arrays]``: voltages in V of the pulses of wear, uniform between those of SET and RESET."""
    volts = torch.empty((WEAR_PULSES * cycles, arrays), dtype=torch.float32, device=stream.device)
    return volts.uniform_(*pulses, generator=stream)
