"""Pre-cycling: reset-set on worn cells, as in the library of arXiv 2505.24721."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memrix._support.streams import WORDS, Stream
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
from memrix.device.draws import numbers_of, words
from memrix.device.reach import ReadRange

WEAR_PULSES = 15  # in one cycle of wear, as in arXiv 2505.24721's library
_WORD_VALUES = 1 << 16
_CELLS_OF_AN_ARRAY = 128 * 128  # where nothing says which cells share one; as in the paper


@dataclass(frozen=True)
class PreCycled:
    """Pre-cycling (endurance): pulses of random voltages between those of SET and RESET, then reset-set.

    As in the library of arXiv 2505.24721, a pulse has one voltage for all cells of an array: those of one
    polarity of a tile.

    Attributes:
        cycles: number of cycles of pre-cycling, 15 pulses each, as in arXiv 2505.24721.
        pulse_width: width of every pulse, in s.
        set_voltage: voltage of a SET pulse, which makes a cell ON, in V; None: that of
            ``memrix.device.pulse_voltages``.
        reset_voltage: voltage of a RESET pulse, which makes a cell OFF, in V; None: that of
            ``memrix.device.pulse_voltages``.
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
        chip: Stream,
        programming: Stream,
        first: int = 0,
        reads: ReadRange | None = None,
        arrays: Tensor | None = None,
    ) -> Programmed:
        """Program cells to bool targets of any shape.

        Arguments as for ``memrix.ProgrammingProtocol.program``.
        ``arrays``, integers from 0 that broadcast to the targets, tell in which array each cell lies; without them
        16,384 numbers of cells make one.
        """
        require_targets(targets, analog=self.analog)
        self.require_device(parameters)
        if arrays is None:
            numbers = numbers_of(targets, first)
            arrays = numbers.div_(_CELLS_OF_AN_ARRAY, rounding_mode="floor").view(targets.shape)
        pulses = pulses_of(self, parameters)
        several, place = torch.unique(arrays, return_inverse=True)
        voltages = wear_voltages(self.cycles, several, pulses, programming)

        def run(cells: Cells, encoded: Tensor, _: Verification) -> None:
            on, array = encoded.remainder(2).bool(), encoded.div(2, rounding_mode="floor")
            for volts in voltages:
                cells.apply_voltage(volts.index_select(0, array))
            reset_set(cells, on, pulses)

        # A block is given what belongs to its cells as one number each.
        return program_blocks(
            place.expand(targets.shape) * 2 + targets,
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


def wear_voltages(cycles: int, arrays: Tensor, pulses: PulseVoltages, stream: Stream) -> Tensor:
    """``[pulses, arrays]``: voltages in V of the pulses of wear, uniform between those of SET and RESET.

    That of pulse ``p`` at array ``a`` follows from word ``p % 8`` at index ``a`` of draw ``p // 8`` of a stream.

    Args:
        cycles: of wear.
        arrays: int64 ``[n]``, their numbers.
        pulses: SET and RESET.
        stream: of the programming.
    """
    count, own = WEAR_PULSES * cycles, Stream.of(stream.key, "wear")
    drawn = [words(own, arrays, draw) for draw in range(-(-count // WORDS))]
    shares = torch.cat([*drawn, arrays.new_zeros((0, len(arrays)))])[:count].to(torch.float32).add_(0.5)
    return shares.mul_((pulses.reset - pulses.set) / _WORD_VALUES).add_(pulses.set)
