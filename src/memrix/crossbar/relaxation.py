"""What cells do on their own after they were verified: they relax, and they fluctuate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix._support.validation import plain_settings, require_number
from memrix.device import DeviceParameters
from memrix.device.draws import normals, numbers_of
from memrix.errors import SettingsError

_LONGEST = 1e12  # s
_SHORTEST = 1e-15  # s
_POINTS = 256  # of an integral over time constants


@dataclass(frozen=True)
class Relaxation:
    """After its last verification, the current of each cell moves by a normally distributed share of the ON current.

    Filaments rearrange once the pulses are over, which no protocol sees: a closed-loop ramp loses most by it. The
    move of a cell follows ``1 - exp(-t / time_constant)``; it is drawn with the programming.

    The chip of Wan et al. (10.1038/s41586-022-04992-8), as fitted by aihwkit (``ReRamWan2022NoiseModel``), has
    standard deviations of 2.8 % of the largest conductance for ON cells and 0.9 % for OFF cells after one second,
    6.6 % and 1.8 % after a day, 6.7 % and 2.0 % after two, and up to 1.5 times the ON cells' in between. These are
    figures at three times and no law. All constants are yours; the default is none.

    Attributes:
        share: standard deviation over cells, as a share of the current of a nominal ON cell.
        time_constant: time constant of the move, in s; 0: the cells have relaxed before converters and columns are
            fitted to them.
    """

    share: float = 0.0
    time_constant: float = 0.0

    def __post_init__(self) -> None:
        plain_settings(self)
        require_number("relaxation.share", self.share, 0.0, 1.0)
        require_number("relaxation.time_constant", self.time_constant, 0.0, _LONGEST, "s")

    @property
    def at_once(self) -> bool:
        """Whether cells relax as part of their programming."""
        return self.share > 0 and not self.time_constant

    @property
    def in_time(self) -> bool:
        """Whether cells go on relaxing."""
        return self.share > 0 and self.time_constant > 0

    def deviation(self, seconds: float) -> float:
        """Standard deviation over cells at a time after programming in s, as a share of the ON current."""
        return self.share * (-math.expm1(-seconds / self.time_constant) if self.time_constant else 1.0)


@dataclass(frozen=True)
class TelegraphNoise:
    """Traps next to the filament that are filled and emptied: a cell's current jumps between levels.

    One trap of time constant ``tau`` has the correlation ``exp(-t / tau)`` (Machlup, 10.1063/1.1721637); traps whose
    time constants are spread evenly over the decades from ``shortest`` to ``longest`` add up to 1/f noise.
    A reading lasts ``1 / (2 * device.bandwidth)``. This divides them into three:

    - faster than a reading: they are part of the read noise, reduced by the mean over a reading;
    - between a reading and the time since programming: they have moved since the cell was verified. ``memrix.age``
      draws their state anew for every time, and it stays for all readings at this time. So the spread grows with the
      logarithm of time, as 1/f noise does (Nandakumar et al., 10.1109/ICECS46596.2019.8964852);
    - slower: they are as they were at verification, and cost nothing yet.

    A simplification: states at two times are independent, also where a trap is slower than what lies in between. The
    share is the same for ON and OFF cells. With ``noise="off"`` the part of the read noise is off too.

    Attributes:
        share: standard deviation of the change of a cell's current by all traps, as a share of the current of a
            nominal ON cell.
        shortest: time constant of the fastest traps, in s.
        longest: time constant of the slowest traps, in s; the same as ``shortest`` for one kind of traps.
    """

    share: float = 0.0
    shortest: float = 1e-6
    longest: float = 1.0

    def __post_init__(self) -> None:
        plain_settings(self)
        require_number("telegraph.share", self.share, 0.0, 1.0)
        require_number("telegraph.shortest", self.shortest, _SHORTEST, _LONGEST, "s")
        require_number("telegraph.longest", self.longest, _SHORTEST, _LONGEST, "s")
        if self.longest < self.shortest:
            raise SettingsError(
                f"telegraph.longest must be at least telegraph.shortest = {self.shortest:g} s, got {self.longest:g}"
            )

    def read_noise(self, reading: float) -> float:
        """Standard deviation of a reading that lasts so many s, as a share of the ON current."""
        if self.shortest >= reading:
            return 0.0
        fastest = math.log(self.shortest)
        slowest = math.log(min(self.longest, reading))
        if slowest == fastest:
            return self.share * math.sqrt(_averaged(self.shortest / reading))
        # The middle of each of many equal parts.
        width = (slowest - fastest) / _POINTS
        ratios = np.exp(fastest + width * (np.arange(_POINTS) + 0.5)) / reading
        within = (slowest - fastest) / (math.log(self.longest) - fastest)
        return self.share * math.sqrt(within * float(np.mean([_averaged(ratio) for ratio in ratios])))

    def deviation(self, seconds: float, reading: float) -> float:
        """Standard deviation over cells at a time after programming, as a share of the ON current.

        Args:
            seconds: since programming.
            reading: that a reading lasts.
        """
        if self.shortest == self.longest:
            return self.share if reading <= self.shortest <= seconds else 0.0
        first, last = max(self.shortest, reading), min(self.longest, seconds)
        return self.share * math.sqrt(max(0.0, math.log(last / first) / math.log(self.longest / self.shortest)))


def _averaged(ratio: float) -> float:
    """What a mean over a reading leaves of the variance of a trap; ``ratio``: time constant over the reading."""
    # The double integral of exp(-|t - t'| / tau) over the reading.
    return 2 * ratio * (1 + ratio * math.expm1(-1 / ratio))


def move_(
    states: Tensor,
    deviation: float,
    parameters: DeviceParameters,
    nominal_states: tuple[float, float],
    stream: Stream,
    first: int = 0,
) -> None:
    """Move the current of cells by normally distributed shares of the ON current, in place; none turns around.

    Args:
        states: any shape.
        deviation: standard deviation, as a share of the current of a nominal ON cell at the read voltage.
        parameters: of the device.
        nominal_states: mean state of ON and of OFF cells.
        stream: that is drawn from.
        first: number of the first cell.
    """
    silent = parameters.silent_state
    drawn = normals(stream, numbers_of(states, first), count=1).view(states.shape)
    moves = drawn.mul_(deviation * (silent - nominal_states[0]))
    add_in_reach_(states, moves, silent)


def add_in_reach_(states: Tensor, moves: Tensor, silent: float) -> None:
    """Add moves to states, in place: a cell that conducts ends at the silent state at most."""
    limit = states.clamp(min=silent)
    torch.minimum(states.add_(moves), limit, out=states)
