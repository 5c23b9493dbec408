"""What happens to cells that programming does not correct: stuck cells, and the drift of conductances over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix._support.validation import plain_settings, require_number
from memrix.device import DeviceParameters
from memrix.device.draws import normals, words
from memrix.device.elementary import exp2
from memrix.errors import SettingsError

# Decades of a conductance, of cells that lie so many standard deviations from the mean: an ON cell conducts a fifth
# less than the most that any state does, an OFF cell a twentieth of it.
_MOST_GROWTH = 2.0
_DEVIATIONS = 3
_ALL = 1 << 32  # values of two words


@dataclass(frozen=True)
class Faults:
    """Cells that stay where they are, whatever the pulses (stuck-at faults; Chen et al., 10.1109/TC.2014.12).

    They are drawn with the chip, apart from its other cells: the same chip has the same ones under any weights. They
    come after programming: a protocol that verifies does not count them as failed.

    Attributes:
        stuck_on: share of cells that are ON for ever, from 0 to 1.
        stuck_off: share of cells that are OFF for ever.
    """

    stuck_on: float = 0.0
    stuck_off: float = 0.0

    def __post_init__(self) -> None:
        plain_settings(self)
        require_number("faults.stuck_on", self.stuck_on, 0.0, 1.0)
        require_number("faults.stuck_off", self.stuck_off, 0.0, 1.0)
        if self.stuck_on + self.stuck_off > 1:
            raise SettingsError(
                f"faults.stuck_on and faults.stuck_off are shares of the same cells and must not add up to more "
                f"than 1, got {self.stuck_on} and {self.stuck_off}"
            )

    def apply_(
        self, states: Tensor, nominal_states: tuple[float, float], stream: Stream, first: int = 0
    ) -> Tensor | None:
        """Put stuck cells into the nominal ON or OFF state; returns which they are (bool), None without any.

        Two words of each cell, 32 bits, decide; ``first``: number of the first cell.
        """
        if not (self.stuck_on or self.stuck_off):
            return None
        on, off = nominal_states
        low, high = words(stream, _numbers(states, first))[:2].view(2, *states.shape)
        draw = high.bitwise_left_shift_(16).bitwise_or_(low)
        stuck_on, stuck_off = draw < round(self.stuck_on * _ALL), draw >= _ALL - round(self.stuck_off * _ALL)
        states.masked_fill_(stuck_on, on).masked_fill_(stuck_off, off)
        stuck: Tensor = stuck_on | stuck_off
        return stuck


@dataclass(frozen=True)
class Drift:
    """Conductances that fall with time as ``G(t) = G(t0) (t / t0)**-nu``, with an exponent for each cell.

    Converters and columns are fitted to the cells as programmed; time passes afterwards, so that a chip that is tuned
    loses what its cells lose.

    The power law of Ielmini, Lacaita and Mantegazza, IEEE Trans. Electron Devices 54 (2007) 308, found on
    phase-change cells and used for analog memory of other kinds too. Synaptogen has no data on retention: all
    constants are yours, and the default is no drift.

    Attributes:
        seconds: time since programming, in s; 0: no drift.
        exponent: mean of ``nu`` over cells.
        exponent_spread: its standard deviation over cells; drawn with the chip.
        reference_seconds: ``t0``, the time after programming at which the conductances are those programmed, in s.
    """

    seconds: float = 0.0
    exponent: float = 0.0
    exponent_spread: float = 0.0
    reference_seconds: float = 1.0

    def __post_init__(self) -> None:
        plain_settings(self)
        require_number("drift.reference_seconds", self.reference_seconds, 1e-9, 1e12, "s")
        require_number("drift.exponent", self.exponent, -1.0, 1.0)
        require_number("drift.exponent_spread", self.exponent_spread, 0.0, 1.0)
        require_number("drift.seconds", self.seconds, 0.0, 1e12, "s")
        if 0 < self.seconds < self.reference_seconds:
            raise SettingsError(
                f"drift.seconds must be 0 or at least drift.reference_seconds = {self.reference_seconds} s, "
                f"got {self.seconds}"
            )
        if self.seconds:
            decades = math.log10(self.seconds / self.reference_seconds)
            growth = decades * (_DEVIATIONS * self.exponent_spread - self.exponent)
            if growth > _MOST_GROWTH:
                raise SettingsError(
                    f"drift.exponent = {self.exponent:g} with drift.exponent_spread = {self.exponent_spread:g} lets "
                    f"the conductance of one cell in a thousand grow by a factor of 10**{growth:.1f} in "
                    f"{self.seconds:g} s, far beyond what a cell can conduct; give a smaller spread or a larger "
                    f"exponent"
                )

    @property
    def active(self) -> bool:
        """Whether time changes anything."""
        return bool(self.seconds and (self.exponent or self.exponent_spread))

    def apply_(self, states: Tensor, parameters: DeviceParameters, stream: Stream, first: int = 0) -> None:
        """Let the conductance of cells at the read voltage fall; ``first``: number of the first cell."""
        if not self.active:
            return
        low, high = parameters.low_resistance_conductance, parameters.high_resistance_conductance
        # The conductance is affine in the state: it shrinks towards the state that does not conduct.
        silent = low / (low - high)
        exponents = normals(stream, _numbers(states, first), count=1).view(states.shape)
        exponents.mul_(self.exponent_spread).add_(self.exponent)
        remaining = exp2(exponents.mul_(-math.log2(self.seconds / self.reference_seconds)))
        states.sub_(silent).mul_(remaining).add_(silent)


def _numbers(states: Tensor, first: int) -> Tensor:
    return torch.arange(first, first + states.numel(), device=states.device)
