"""The I-V curves of the two extreme states, from sweeps of cells between them.

The model takes the current of every state as a mixture of those of two: at each voltage it is a straight line in the
conductance at the read voltage. Two points of that line are the mean current and conductance of cells in the LRS and
of those in the HRS; the extreme states are where it has the largest and the smallest conductance that occur.

A cell stays in the LRS up to its RESET, and in the HRS down to its SET: beyond, each state's curve goes on straight,
as it ended. No measurement of switching cells shows more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memrix.device.fitting.sweeps import Sweep
from memrix.device.parameters import Array
from memrix.errors import DataError

_POINTS = 40  # of a curve on either side of 0 V
_LEAST = 0.05  # share of the cycles that must reach a voltage for their mean to count there
_TAIL = 5  # points, whose slope goes on
_RARE = 1e-3  # share of the cycles that may lie outside of the extremes
_ALIKE = 0.995  # of the largest of all currents: so near to it, a current is held by the instrument
_SATURATED = 0.98  # of the current at which it is held: below, the cell decides

Loops = Sequence[tuple[Sweep | None, Sweep, Sweep]]


def extreme_curves(loops: Loops) -> tuple[Array, Array]:
    """``[points, 2]`` each: voltage in V and current in A of the low-resistance and the high-resistance extreme.

    Args:
        loops: the sweep to a negative and that to a positive voltage of each, and before them the positive one that
            came before, if any.

    Raises:
        DataError: no voltage at which both states are seen.
    """
    compliance = _compliance([negative for _, negative, _ in loops])
    states = np.array([[positive.conductance, positive.conductance_back] for _, _, positive in loops])
    extremes = float(np.quantile(states[:, 0], 1 - _RARE)), float(np.quantile(states[:, 1], _RARE))
    sides = []
    for sign in (-1, 1):
        peak = min(_side(loop, sign).peak for loop in loops)
        voltage = np.linspace(0, peak, _POINTS + 1)[1:]
        on, off = (_mean(*_ways(loops, voltage, sign, compliance, on=on)) for on in (True, False))
        sides.append(np.stack([voltage, *_at_extremes(voltage, on, off, extremes)]) * sign)
    voltage, low, high = np.concatenate([sides[0][:, ::-1], sides[1]], axis=1)
    return np.column_stack([voltage, low]), np.column_stack([voltage, high])


def _at_extremes(
    voltage: Array, on: tuple[Array, Array], off: tuple[Array, Array], extremes: tuple[float, float]
) -> tuple[Array, Array]:
    """Currents ``[points]`` at the largest and at the smallest conductance, from means of current and conductance."""
    (on_current, on_conductance), (off_current, off_conductance) = on, off
    largest, smallest = extremes
    slope = (on_current - off_current) / (on_conductance - off_conductance)
    if np.isnan(slope).all():
        raise DataError(
            f"at no voltage up to {voltage[-1]:g} V are enough devices seen both ON and OFF: they switch below "
            f"{voltage[0]:g} V"
        )
    low = _continued(voltage, off_current + (largest - off_conductance) * slope)
    high = _continued(voltage, off_current + (smallest - off_conductance) * slope)
    # Where one state alone is seen, the line goes through its mean and through the other's curve.
    slope = (low - off_current) / (largest - off_conductance)
    seen = np.isnan(on_current) & ~np.isnan(off_current)
    high = np.where(seen, off_current + (smallest - off_conductance) * slope, high)
    slope = (on_current - high) / (on_conductance - smallest)
    seen = np.isnan(off_current) & ~np.isnan(on_current)
    return np.where(seen, on_current + (largest - on_conductance) * slope, low), high


def _side(loop: tuple[Sweep | None, Sweep, Sweep], sign: int) -> Sweep:
    return loop[1] if sign < 0 else loop[2]


def _compliance(sweeps: Sequence[Sweep]) -> float:
    """The current in A at which the instrument holds the sweeps that SET, infinite if it does not.

    The largest currents of cells differ; those that an instrument holds are alike.
    """
    largest = np.array([sweep.current.max() for sweep in sweeps])
    held = largest > _ALIKE * largest.max()
    return float(_SATURATED * largest.max()) if len(sweeps) > 1 and held.mean() > 1 / 2 else np.inf


def _ways(loops: Loops, voltage: Array, sign: int, compliance: float, *, on: bool) -> tuple[Array, Array]:
    """Of cells that are ON (or OFF): currents in A on the way that they are, NaN beyond, ``[loops, points]``, and
    conductances in S, ``[loops]``."""
    # A SET and a RESET happen somewhere between two points: the last step belongs to neither state.
    currents, conductances = [], []
    for before, negative, positive in loops:
        if sign > 0 and on:
            end = positive.parting_voltage - _step(positive)
            current = np.where(voltage < end, positive.there(voltage), np.nan)
            conductance = positive.conductance
        elif sign > 0:
            current, conductance = positive.back(voltage), positive.conductance_back
        elif on:
            current, conductance = negative.back(voltage), positive.conductance
            current = np.where(current < compliance, current, np.nan)
        else:
            end = negative.joining_voltage - _step(negative)
            current = np.where(voltage < end, negative.there(voltage), np.nan)
            conductance = negative.conductance if before is None else before.conductance_back
        currents.append(current)
        conductances.append(conductance)
    return np.array(currents), np.array(conductances)


def _step(sweep: Sweep) -> float:
    """Between two points of a sweep, in V."""
    return float(np.median(np.abs(np.diff(sweep.voltage))))


def _mean(currents: Array, conductances: Array) -> tuple[Array, Array]:
    """Mean current and conductance of the cells that are there at each voltage, NaN where they are few."""
    there = ~np.isnan(currents)
    count = there.sum(axis=0)
    enough = count >= max(1.0, _LEAST * len(currents))
    divisor = np.where(enough, count, np.nan)
    return np.where(there, currents, 0).sum(axis=0) / divisor, (there * conductances[:, None]).sum(axis=0) / divisor


def _continued(voltage: Array, current: Array) -> Array:
    """A current that is not known everywhere: straight on beyond, and straight to nothing at 0 V."""
    known = np.flatnonzero(~np.isnan(current))
    first, last, tail = known[0], known[-1], known[-_TAIL:]
    slope = np.polyfit(voltage[tail], current[tail], 1)[0] if len(tail) > 1 else current[last] / voltage[last]
    result = np.interp(voltage, voltage[known], current[known])
    result = np.where(voltage > voltage[last], current[last] + slope * (voltage - voltage[last]), result)
    return np.where(voltage < voltage[first], current[first] * voltage / voltage[first], result)
