"""The current of a cell and its read noise, as functions that are affine in the state of the cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeVar, cast, get_args

import numpy as np
import torch
from torch import Tensor

from memrix.device.parameters import Array, DeviceParameters
from memrix.device.ranges import PULSE_RANGE

BOLTZMANN = 1.380649e-23  # J/K, exact since the SI of 2019
ELEMENTARY_CHARGE = 1.602176634e-19  # C, exact since the SI of 2019

Noise = Literal["physical", "legacy", "off"]
NOISES: tuple[Noise, ...] = get_args(Noise)

# The constants of the library behind arXiv 2505.24721: Euler's number where the charge of an electron
# belongs, and a bandwidth with the sign of its exponent lost. Kept to reproduce that paper.
LEGACY_CHARGE = float(np.e)
LEGACY_BANDWIDTH = 1e-8  # Hz

_POWER_BITS = 30  # of the largest power of a cell in a pulse: a billion such pulses fit an integer

Values = TypeVar("Values", float, Array, Tensor)


def polynomial(coefficients: Array, values: Values) -> Values:
    """The polynomial of numbers or of a tensor's elements; coefficients from the highest degree, at least two."""
    first, *others = (float(coefficient) for coefficient in coefficients)
    if isinstance(values, Tensor):
        result = values * first + others[0]
        for coefficient in others[1:]:
            # Product and sum apart: fused, they are rounded once on some devices and twice on others.
            result.mul_(values).add_(coefficient)
        return result
    total = values * first + others[0]
    for coefficient in others[1:]:
        total = total * values + coefficient
    return total


@dataclass(frozen=True)
class CellCurrent:
    """Currents in A, over voltages in V, of cells whose state is ``r`` (0: low-, 1: high-resistance extreme).

    ``I(r, U) = (1 - r) I_LL(U) + r I_HH(U)`` (Hennen et al., 10.1109/TED.2024.3427616).

    Attributes:
        parameters: of the device, with the polynomials ``I_LL`` and ``I_HH``.
    """

    parameters: DeviceParameters

    def of(self, state: Values, voltage: Values) -> Values:
        """Mean current in A of cells in a state ``r`` at a voltage in V; both arguments broadcast."""
        return self.low_resistance(voltage) + state * self.slope(voltage)

    def low_resistance(self, voltage: Values) -> Values:
        """Current of the low-resistance extreme, ``I_LL(U)``."""
        return polynomial(self.parameters.low_resistance, voltage)

    def slope(self, voltage: Values) -> Values:
        """Change of the current with the state, ``d(U) = I_HH(U) - I_LL(U)``: negative for positive voltages."""
        return polynomial(self.difference, voltage)

    def in_pulse(self, voltage: Values) -> tuple[Values, Values]:
        """``I_LL`` and ``d`` during a pulse, for its energy: beyond ``swept_voltage`` they stay what they are there.

        The polynomials are fits within the sweeps and turn over soon after: at +2 V they give an ON cell -98 uA, and
        284 uA at 1.5 V. A current that no longer rises is what a compliance makes of it.
        """
        limit = self.parameters.swept_voltage
        if isinstance(voltage, Tensor):
            voltage = voltage.clamp(-limit, limit)
        else:
            voltage = cast(Values, np.clip(voltage, -limit, limit))
        return self.low_resistance(voltage), self.slope(voltage)

    @property
    def power_unit(self) -> float:
        """W, a power of 2, in which powers of cells in pulses are counted: integers add up alike in any order."""
        limit = self.parameters.swept_voltage
        largest = PULSE_RANGE * max(abs(self.low_resistance(volts)) for volts in (-limit, limit))
        return 2.0 ** (math.ceil(math.log2(largest)) - _POWER_BITS)

    def noise_variance(
        self, voltage: Values, noise: Noise, temperature: float, bandwidth: float
    ) -> tuple[Values, Values]:
        """Offset and slope, over the state, of the variance in A² of one reading of one cell.

        Thermal and shot noise: ``4 k T B |I / U| + 2 e B |I|``, for cells that conduct along the voltage.
        ``I / U`` is taken as the polynomial that it is, so that ``U = 0`` keeps its thermal noise.

        Args:
            voltage: V, any shape.
            noise: ``physical``, ``legacy`` (see ``LEGACY_CHARGE``) or ``off``.
            temperature: K.
            bandwidth: Hz.
        """
        charge = ELEMENTARY_CHARGE
        if noise == "off":
            return voltage * 0.0, voltage * 0.0
        if noise == "legacy":
            charge, bandwidth = LEGACY_CHARGE, LEGACY_BANDWIDTH
        thermal = 4 * BOLTZMANN * temperature * bandwidth
        shot = _sign(voltage) * (2 * charge * bandwidth)
        # Both currents vanish at U = 0: without the constant term the polynomial is I / U.
        offset = polynomial(_over_voltage(self.parameters.low_resistance), voltage) * thermal
        slope = polynomial(_over_voltage(self.difference), voltage) * thermal
        return offset + shot * self.low_resistance(voltage), slope + shot * self.slope(voltage)

    @property
    def difference(self) -> Array:
        """The polynomial ``d(U)``, highest degree first."""
        return np.polysub(self.parameters.high_resistance, self.parameters.low_resistance)


def _over_voltage(coefficients: Array) -> Array:
    # A constant stays a polynomial of two coefficients.
    return np.concatenate([np.zeros(1), coefficients[:-1]])


def _sign(voltage: Values) -> Values:
    return torch.sign(voltage) if isinstance(voltage, Tensor) else cast(Values, np.sign(voltage))
