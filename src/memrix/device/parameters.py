"""The measured parameters of a memristor cell: what a device technology is to the simulation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memrix._support.validation import is_integer, shown
from memrix.errors import SettingsError

Array = NDArray[np.floating[Any]]

FEATURES = ("HRS resistance (log10 ohm)", "SET voltage", "LRS resistance (ohm)", "RESET voltage")
HRS, SET_VOLTAGE, LRS, RESET_VOLTAGE = range(len(FEATURES))


@dataclass(frozen=True, eq=False)
class DeviceParameters:
    """Statistics of one device technology (Hennen et al., 10.3389/fnins.2022.941753).

    Attributes:
        source: where the numbers come from: ``synaptogen`` or the path of a file.
        low_resistance: polynomial of the low-resistance extreme ``I_LL(U)`` in A over V, highest degree first.
        high_resistance: the same of the high-resistance extreme ``I_HH(U)``.
        read_voltage: voltage in V at which resistances are defined.
        full_reset_voltage: voltage in V from which a reset is complete.
        reset_exponent: curvature of the current along a partial reset.
        feature_polynomials: ``[4, degree + 1]``, normal score to feature score, highest degree first.
        mixture_weights: ``[components]``, sums to 1.
        mixture_means: ``[components, 8]``: four offsets, then four scales of the features of a device.
        mixture_cholesky: ``[components, 8, 8]``, lower triangular.
        autoregressions: by their order, ``[4, 4 * (order + 1)]``: noise matrix, then the weights of the history from
            the oldest cycle to the newest.
    """

    source: str
    low_resistance: Array
    high_resistance: Array
    read_voltage: float
    full_reset_voltage: float
    reset_exponent: float
    feature_polynomials: Array
    mixture_weights: Array
    mixture_means: Array
    mixture_cholesky: Array
    autoregressions: Mapping[int, Array]

    @property
    def low_resistance_conductance(self) -> float:
        """Conductance in S of the low-resistance extreme at the read voltage."""
        return float(np.polyval(self.low_resistance, self.read_voltage) / self.read_voltage)

    @property
    def high_resistance_conductance(self) -> float:
        """Conductance in S of the high-resistance extreme at the read voltage; negative by construction."""
        return float(np.polyval(self.high_resistance, self.read_voltage) / self.read_voltage)

    @property
    def silent_state(self) -> float:
        """The state that conducts nothing at the read voltage; beyond it, current flows against the voltage."""
        low = self.low_resistance_conductance
        return low / (low - self.high_resistance_conductance)

    @property
    def swept_voltage(self) -> float:
        """Voltage in V, on either side, up to which currents were measured: the full tenth that resets completely."""
        return math.ceil(round(10 * self.full_reset_voltage, 6)) / 10

    @property
    def order(self) -> int:
        """The highest order of the autoregressions: how many cycles of history count."""
        return max(self.autoregressions)

    def autoregression(self, order: int | None = None) -> Array:
        """``[4, 4 * (order + 1)]``: the autoregression of an order, by default of the highest.

        Raises:
            SettingsError: the parameters hold no autoregression of this order.
        """
        if order is None:
            order = self.order
        if not is_integer(order) or order not in self.autoregressions:
            raise SettingsError(
                f"device parameters {self.source!r} hold no autoregression of order {shown(order)}; "
                f"the orders are {', '.join(map(str, sorted(self.autoregressions)))}"
            )
        return self.autoregressions[order]
