"""What happens to cells that programming does not correct: stuck cells, and conductances that change over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from memrix._support.streams import Stream
from memrix._support.validation import plain_settings, require_number
from memrix.crossbar.relaxation import add_in_reach_
from memrix.device import DeviceParameters
from memrix.device.draws import TWO_WORDS, joined, normals, numbers_of, words
from memrix.device.elementary import exp2
from memrix.errors import SettingsError

# Decades of a conductance, of cells that lie so many standard deviations from the mean: an ON cell conducts a fifth
# less than the most that any state does, an OFF cell a twentieth of it.
_MOST_GROWTH = 2.0
_DEVIATIONS = 3


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
        """Put stuck cells into the nominal ON or OFF state, in place. Two words of each cell, 32 bits, decide.

        Args:
            states: ``r`` of programmed cells, any shape.
            nominal_states: of an ON and of an OFF cell.
            stream: the random numbers of the chip.
            first: number of the first cell.

        Returns:
            Which cells are stuck, bool of the same shape; None without any.
        """
        if not (self.stuck_on or self.stuck_off):
            return None
        on, off = nominal_states
        draw = joined(*words(stream, numbers_of(states, first))[:2].view(2, *states.shape))
        stuck_on = draw < round(self.stuck_on * TWO_WORDS)
        stuck_off = draw >= TWO_WORDS - round(self.stuck_off * TWO_WORDS)
        states.masked_fill_(stuck_on, on).masked_fill_(stuck_off, off)
        stuck: Tensor = stuck_on | stuck_off
        return stuck


@dataclass(frozen=True)
class Drift:
    """How long ago a chip was programmed, and the laws by which conductances have changed since.

    Converters and columns are fitted to the cells as programmed; time passes afterwards, so that a chip that is tuned
    loses what its cells lose. ``memrix.age`` makes a chip older, and ``memrix.recalibrate`` fits it again.

    *Power law*: ``G(t) = G(t0) (t / t0)**-nu`` with an exponent for each cell (Ielmini, Lacaita and Mantegazza, IEEE
    Trans. Electron Devices 54 (2007) 308; found on phase-change cells and used for analog memory of other kinds too).

    *Logarithmic law*: every cell loses ``log_loss * ln(t / t0)`` of the window between nominal ON and OFF cells,
    with a standard deviation over cells of ``log_spread * ln(t / t0) + spread``, whatever its conductance. Cells keep
    their order. ``Drift.metal_oxide(seconds)`` has the constants of filamentary HfOx cells with a conductive metal
    oxide.

    Both act where both have constants. Until ``reference_seconds`` cells are as programmed. Synaptogen has no data on
    retention: all constants are yours, and the default is no drift.

    Attributes:
        seconds: time since programming, in s; 0: as programmed.
        exponent: mean of the exponent ``nu`` of the power law over cells.
        exponent_spread: standard deviation of the exponent over cells; drawn with the chip.
        reference_seconds: ``t0``, the time after programming at which the conductances are those programmed, in s.
        log_loss: mean loss of the logarithmic law, as a share of the window for each e-fold of time.
        log_spread: growth of the standard deviation of that loss over cells, as a share of the window for each e-fold
            of time; drawn with the chip.
        spread: standard deviation of that loss at ``t0``, as a share of the window.
    """

    seconds: float = 0.0
    exponent: float = 0.0
    exponent_spread: float = 0.0
    reference_seconds: float = 1.0
    log_loss: float = 0.0
    log_spread: float = 0.0
    spread: float = 0.0

    def __post_init__(self) -> None:
        plain_settings(self)
        require_number("drift.reference_seconds", self.reference_seconds, 1e-9, 1e12, "s")
        require_number("drift.exponent", self.exponent, -1.0, 1.0)
        require_number("drift.exponent_spread", self.exponent_spread, 0.0, 1.0)
        require_number("drift.log_loss", self.log_loss, -0.1, 0.1)
        require_number("drift.log_spread", self.log_spread, 0.0, 0.1)
        require_number("drift.spread", self.spread, 0.0, 1.0)
        require_number("drift.seconds", self.seconds, 0.0, 1e12, "s")
        growth = self._e_folds / math.log(10) * (_DEVIATIONS * self.exponent_spread - self.exponent)
        if growth > _MOST_GROWTH:
            raise SettingsError(
                f"drift.exponent = {self.exponent:g} with drift.exponent_spread = {self.exponent_spread:g} lets "
                f"the conductance of one cell in a thousand grow by a factor of 10**{growth:.1f} in "
                f"{self.seconds:g} s, far beyond what a cell can conduct; give a smaller spread or a larger "
                f"exponent"
            )

    @classmethod
    def metal_oxide(cls, seconds: float = 0.0) -> Drift:
        """The logarithmic law of HfOx cells with a conductive metal oxide (IBM Research Zurich).

        From ``ReRamCMONoiseModel`` of aihwkit (Falcone et al.), whose window is 9.0 to 88.2 uS: a mean loss of
        0.0890 uS and a standard deviation of 0.0420 uS for each e-fold of time, and one of 0.412 uS at 1 s.
        """
        window = 88.2 - 9.0  # uS
        return cls(seconds, log_loss=0.0890 / window, log_spread=0.0420 / window, spread=0.412 / window)

    @property
    def has_law(self) -> bool:
        """Whether time changes anything."""
        return bool(self.exponent or self.exponent_spread or self._logarithmic)

    @property
    def active(self) -> bool:
        """Whether time has changed anything yet."""
        return bool(self.seconds) and self.has_law

    @property
    def _logarithmic(self) -> bool:
        return bool(self.log_loss or self.log_spread or self.spread)

    @property
    def _e_folds(self) -> float:
        """Of time since the conductances were those programmed."""
        return math.log(max(self.seconds / self.reference_seconds, 1.0))

    def apply_(
        self,
        states: Tensor,
        parameters: DeviceParameters,
        nominal_states: tuple[float, float],
        stream: Stream,
        first: int = 0,
    ) -> None:
        """Let the conductance of cells at the read voltage change, in place.

        Args:
            states: any shape.
            parameters: of the device.
            nominal_states: mean state of ON and of OFF cells, whose difference is the window.
            stream: that is drawn from.
            first: number of the first cell.
        """
        if not self.active:
            return
        drawn = normals(stream, numbers_of(states, first), count=2 if self._logarithmic else 1)
        if self.exponent or self.exponent_spread:
            # The conductance is affine in the state: it shrinks towards the state that does not conduct.
            silent = parameters.silent_state
            exponents = drawn[0].view(states.shape).mul_(self.exponent_spread).add_(self.exponent)
            remaining = exp2(exponents.mul_(-math.log2(max(self.seconds / self.reference_seconds, 1.0))))
            states.sub_(silent).mul_(remaining).add_(silent)
        if self._logarithmic:
            on, off = nominal_states
            deviation = self.log_spread * self._e_folds + self.spread
            moves = drawn[1].view(states.shape).mul_(deviation * (off - on))
            add_in_reach_(states, moves.add_(self.log_loss * self._e_folds * (off - on)), parameters.silent_state)
