"""The converter of a word line: digital input to voltage, at once or bit by bit."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memrix._support.renamed import formerly, with_former_names
from memrix._support.streams import Stream
from memrix._support.validation import plain_settings, require_choice, require_integer, require_number
from memrix.device import CellCurrent
from memrix.device.parameters import Array
from memrix.device.ranges import require_read_voltage
from memrix.errors import SettingsError

Levels = Literal["equal", "gain-corrected", "linearizing"]
Inputs = Literal["multi-level", "bit-serial"]
_MOST_MISMATCH = 0.2  # LSB; at five standard deviations, a step would change its sign
RANGE_IN_DEVIATIONS = 4.0  # standard deviations of an activation in the range of a DAC


@with_former_names
@dataclass(frozen=True)
class DAC:
    """One converter a word line, with codes that are symmetric about 0 V: ``2**bits + 1`` of a multi-level one.

    Attributes:
        bits: resolution; also the number of bits of the activations.
        vmax: voltage in V of the largest code, at most 1.5 and at most that up to which the device was measured.
            Inputs are signed, so word lines go down to ``-vmax``: at 0.6 V, as in arXiv 2505.24721, a reading lies
            beyond the SET threshold of 11 % of the OFF cells of the measured device; at 0.4 V, of 2 to 4 in 100,000.
        levels: ``equal`` steps in volts; ``gain-corrected``: these, and one digital factor that gives back what the
            current of the cells, which is not linear and smaller at negative voltages, costs on average (see
            ``digital_gain``); or ``linearizing``: steps of equal current, which undo the current's curve exactly,
            because all cells share it.
        inputs: ``multi-level``: a code is one voltage and takes one reading; or ``bit-serial``: the ``bits - 1`` bits
            of its magnitude take one reading each, from 0 V and ``vmax`` of the sign of the code, every ADC converts
            each time, and the results are added digitally with weights ``2**k``. Drivers need three levels, so the
            curve of the current does not matter. There are ``2**bits - 1`` codes.
        level_mismatch: standard deviation of a step between neighboring levels, in LSB: that of a resistor of the
            string that makes the levels, as a share. Its ends and 0 V are references. All word lines of a layer
            share one string and each selects a tap, as in a column driver of a display: a string for every word
            line would be larger than the array.
    """

    bits: int = 8
    vmax: float = 0.4
    levels: Levels = field(default="gain-corrected", metadata=formerly(values={"linearising": "linearizing"}))
    inputs: Inputs = "multi-level"
    level_mismatch: float = 0.0

    def __post_init__(self) -> None:
        plain_settings(self)
        require_integer("dac.bits", self.bits, 2, 14)
        require_read_voltage("dac.vmax", self.vmax)
        require_choice("dac.levels", self.levels, get_args(Levels))
        require_choice("dac.inputs", self.inputs, get_args(Inputs))
        require_number("dac.level_mismatch", self.level_mismatch, 0.0, _MOST_MISMATCH, "LSB")
        if self.bit_serial and self.level_mismatch:
            raise SettingsError(
                f"dac.inputs = 'bit-serial' drives word lines to references alone, which no mismatch of levels "
                f"reaches, got dac.level_mismatch={self.level_mismatch:g}; set it to 0, or use 'multi-level'"
            )

    @property
    def bit_serial(self) -> bool:
        """Whether a code is read bit by bit."""
        return self.inputs == "bit-serial"

    @property
    def largest_code(self) -> int:
        """The code of full scale."""
        return (1 << (self.bits - 1)) - self.bit_serial

    @property
    def cycle_weights(self) -> list[int]:
        """What each of the readings of an input vector weighs, in steps of the code of its lowest bit."""
        return [1 << bit for bit in range(self.bits - 1)] if self.bit_serial else [1]

    @property
    def driven(self) -> npt.NDArray[np.bool_]:
        """In which of these readings each code in ascending order drives its word line, ``[readings, codes]``."""
        magnitudes = np.abs(np.arange(-self.largest_code, self.largest_code + 1))
        if not self.bit_serial:
            return np.ones((1, self.codes_count), bool)
        return np.array([magnitudes & weight for weight in self.cycle_weights]) > 0

    @property
    def codes_count(self) -> int:
        """Codes from the lowest to the largest."""
        return 2 * self.largest_code + 1

    def codes(self, activations: Tensor, step: Tensor) -> Tensor:
        """Codes from ``-largest_code`` to ``largest_code``, float32, of activations in units of ``step``."""
        # The reciprocal is what torch's fake quantization multiplies with: ties fall to the same side.
        return to_codes(activations * step.reciprocal(), self.largest_code)

    def voltages(self, current: CellCurrent) -> Array:
        """Voltage in V of every code in ascending order, or of each of its bits: float64 ``[codes_count]``.

        Raises:
            SettingsError: the currents of the device are not known up to the voltage of the largest code, or do not
                rise with the voltage where levels follow them.
        """
        if self.vmax > current.parameters.swept_voltage:
            raise SettingsError(
                f"dac.vmax must not lie beyond {current.parameters.swept_voltage:g} V, up to where the currents of "
                f"device {current.parameters.source!r} were measured, got {self.vmax:g} V"
            )
        if self.levels != "linearizing":
            return self._fractions * self.vmax
        return _linearizing(self, current).copy()  # callers may change theirs

    @property
    def _fractions(self) -> Array:
        """Of full scale, what each code drives, or each of its bits."""
        fractions = np.arange(-self.largest_code, self.largest_code + 1) / self.largest_code
        return np.sign(fractions) if self.bit_serial else fractions

    def mismatched(self, voltages: Array, stream: Stream) -> Array:
        """The voltages of a chip, of those of its settings: resistor ``k`` has the word 0 of index ``k``."""
        if not self.level_mismatch:
            return voltages
        zero = self.largest_code
        normals = stream.normals(torch.arange(2 * zero), count=1)[0].double().numpy()
        steps = np.diff(voltages) * (1 + self.level_mismatch * normals)
        above, below = np.cumsum(steps[zero:]), np.cumsum(steps[zero - 1 :: -1])
        above, below = above * (voltages[-1] / above[-1]), below * (voltages[0] / below[-1])
        drawn = np.concatenate([below[::-1], [0.0], above])
        drawn[[0, -1]] = voltages[[0, -1]]  # to the last bit
        return drawn

    def full_scale(self, current: CellCurrent) -> float:
        """Current in A that the largest code makes in a pair of cells whose states differ by 1."""
        positive, negative = np.abs(current.slope(np.array([self.vmax, -self.vmax])))
        # The curve is not odd: no level of a linearizing DAC may pass vmax on either side.
        return float(min(positive, negative) if self.levels == "linearizing" else positive)

    def digital_gain(self, current: CellCurrent) -> float:
        """The digital factor of results that brings them nearest to what was meant; 1 unless ``gain-corrected``.

        A code ``c`` of ``L`` at most is to contribute ``x = c / L`` of what the largest contributes, and contributes
        ``m(c) = d(U_c) / d(Vmax)``, with ``d`` of ``CellCurrent.slope``. The factor ``g`` that minimizes
        ``sum_c w(c) (g m(c) - x(c))**2`` is ``sum w m x / sum w m**2``. The weights ``w`` are those of normally
        distributed activations with a range of four standard deviations. For the measured device the factor is 1.039
        at 0.6 V and 1.028 at 0.4 V. A reading at the largest code alone needs none.
        Of bit-serial inputs, ``m(c)`` is ``|x| d(+-Vmax) / d(Vmax)``.
        """
        if self.levels != "gain-corrected":
            return 1.0
        meant = np.arange(-self.largest_code, self.largest_code + 1) / self.largest_code
        volts = np.sign(meant) if self.bit_serial else meant
        made = current.slope(volts * self.vmax) / current.slope(self.vmax)
        if self.bit_serial:
            made = made * np.abs(meant)
        weights = np.exp(-0.5 * (RANGE_IN_DEVIATIONS * meant) ** 2)
        return float((weights * made * meant).sum() / (weights * made**2).sum())


@functools.lru_cache(maxsize=16)  # all layers of a chip ask for the same levels, each several times
def _linearizing(dac: DAC, current: CellCurrent) -> Array:
    """Voltages at which ``-d(U)`` takes fractions of full scale, by bisection to the last bit of float64."""
    magnitudes, vmax = dac._fractions * dac.full_scale(current), dac.vmax
    grid = np.linspace(-vmax, vmax, 4097)
    if np.any(np.diff(current.slope(grid)) >= 0):
        raise SettingsError(
            f"a linearizing DAC needs a current that rises with the voltage, and this device's does not within "
            f"+-{vmax} V; use a smaller dac.vmax or dac.levels = 'gain-corrected'"
        )
    low, high = np.full_like(magnitudes, -vmax), np.full_like(magnitudes, vmax)
    for _ in range(64):
        middle = (low + high) / 2
        below = -current.slope(middle) < magnitudes
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    voltages = (low + high) / 2
    voltages[magnitudes == 0] = 0.0
    return voltages


def to_codes(steps: Tensor, largest: int) -> Tensor:
    """Codes of activations that are given in steps; may overwrite them."""
    return steps.round_().clamp_(-largest, largest)
