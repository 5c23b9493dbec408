"""Voltage sweeps: from the read voltage to a peak and back, of one sign."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from memrix.device.parameters import Array

_HALF = 0.5  # of the current of the way back: where the way there has joined it
_AT_READING = 1e-6  # of the read voltage: nearer to it than this is at it


@dataclass(frozen=True, eq=False)
class Sweep:
    """One sweep, with voltages and currents counted in its own direction: both positive.

    Attributes:
        sign: of the voltages as they were measured.
        cycle: in which it ends.
        voltage: V, ``[points]``; the first and the last lie at the read voltage or below, down to the first at 0 V.
        current: A, ``[points]``.
        top: number of the point at the peak.
        read_voltage: V.
    """

    sign: int
    cycle: int
    voltage: Array
    current: Array
    top: int
    read_voltage: float

    @property
    def peak(self) -> float:
        """Largest voltage in V."""
        return float(self.voltage[self.top])

    @cached_property
    def conductance(self) -> float:
        """Conductance in S at the read voltage on the way to the peak."""
        return float(self.there(np.array([self.read_voltage]))[0]) / self.read_voltage

    @cached_property
    def conductance_back(self) -> float:
        """Conductance in S at the read voltage on the way back."""
        return float(self.back(np.array([self.read_voltage]))[0]) / self.read_voltage

    def there(self, voltage: Array) -> Array:
        """Currents in A on the way to the peak."""
        return _interpolated(voltage, self.voltage[: self.top + 1], self.current[: self.top + 1])

    def back(self, voltage: Array) -> Array:
        """Currents in A on the way back from the peak."""
        return _interpolated(voltage, self.voltage[self.top :], self.current[self.top :])

    @property
    def _outward(self) -> tuple[Array, Array]:
        """Voltages and currents from the read voltage to the peak."""
        voltage, current = self.voltage[: self.top + 1], self.current[: self.top + 1]
        beyond = voltage >= self.read_voltage * (1 - _AT_READING)
        return voltage[beyond], current[beyond]

    @cached_property
    def joining_voltage(self) -> float:
        """Voltage in V from which on the current on the way to the peak is nearly that of the way back."""
        voltage, current = self._outward
        share = max(_HALF, float(np.sqrt(self.conductance / self.conductance_back)))
        apart = np.flatnonzero(current < share * self.back(voltage))
        if not len(apart):
            return float(voltage[0])
        last = min(int(apart[-1]), len(voltage) - 2)
        return float(voltage[last : last + 2].mean())

    @cached_property
    def parting_voltage(self) -> float:
        """Voltage in V at which the current on the way to the peak exceeds that of the way back the most."""
        voltage, current = self._outward
        return float(voltage[np.argmax(current - self.back(voltage))])


def split_sweeps(rows: pd.DataFrame, read_voltage: float, problems: list[str]) -> list[Sweep]:
    """The sweeps of one device beyond the read voltage, whose signs alternate.

    Readings at the read voltage between them are no sweeps.

    Args:
        rows: columns ``cycle, U, I`` in the order of time; the index are the lines of the file.
        read_voltage: in V.
        problems: gets an entry for a sweep that is not whole, follows one of the same sign, or has a current of the
            wrong sign at the read voltage.
    """
    voltage, current, cycles = (rows[name].to_numpy() for name in ("U", "I", "cycle"))
    signed = {1: voltage, -1: -voltage}
    beyond = np.where(np.abs(voltage) >= read_voltage * (1 - _AT_READING), np.sign(voltage), 0)
    changes = np.flatnonzero(np.diff(beyond)) + 1
    sweeps: list[Sweep] = []
    for start, end in zip([0, *changes], [*changes, len(beyond)], strict=True):
        sign = int(beyond[start])
        if sign == 0 or signed[sign][start:end].max() <= read_voltage * (1 + _AT_READING):
            continue
        low, high = _to_zero(signed[sign], start, -1), _to_zero(signed[sign], end - 1, 1) + 1
        ways = signed[sign][low:high]
        sweep = Sweep(sign, int(cycles[end - 1]), ways, sign * current[low:high], int(ways.argmax()), read_voltage)
        fault = _fault(sweep, sweeps[-1].sign if sweeps else 0)
        if fault:
            problems.append(
                f"lines {rows.index[start]} to {rows.index[end - 1]}: the sweep of device "
                f"{rows['device'].iloc[0]!r} to {sign * sweep.peak:g} V {fault}"
            )
        else:
            sweeps.append(sweep)
    return sweeps


def _fault(sweep: Sweep, sign_before: int) -> str:
    """Why a sweep cannot be used, or nothing."""
    volts = sweep.sign * sweep.read_voltage
    if (sweep.voltage[[0, -1]] > sweep.read_voltage * (1 + _AT_READING)).any():
        return f"is not whole: it must begin and end at {volts:g} V or nearer to 0 V, where the resistance is read"
    if not (sweep.conductance > 0 and sweep.conductance_back > 0):
        return f"has no positive resistance at {volts:g} V: the current is zero or has the other sign"
    if sweep.sign == sign_before:
        return (
            "follows another one of the same sign: a loop is one sweep to a negative voltage and one to a positive "
            "voltage"
        )
    return ""


def _to_zero(voltage: Array, start: int, step: int) -> int:
    """The point at 0 V or below that comes first from a point on, or the last there is."""
    here = start
    while 0 <= here + step < len(voltage) and voltage[here] > 0:
        here += step
    return here


def _interpolated(voltage: Array, at_voltage: Array, current: Array) -> Array:
    order = np.argsort(at_voltage, kind="stable")
    result: Array = np.interp(voltage, at_voltage[order], current[order], left=np.nan)
    return result
