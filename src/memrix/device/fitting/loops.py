"""Switching cycles from measured I-V loops.

A file of loops has a row for each point, in the order of time, in the columns ``device,cycle,U,I`` (V, A):

    device,cycle,U,I
    d1,1,0.0,0.0
    d1,1,-0.05,-8.1e-07
    ...

A device is swept to a negative voltage and back, which SETs it, and to a positive voltage and back, which RESETs it,
again and again; either may come first. Of one loop, with the read voltage ``U0``, the features are

- ``U_set``: on the way to the negative peak, the voltage from which on the current is more than half of that of the
  way back at the same voltage (more than the geometric mean of both states' currents where they differ by less than a
  factor of four), halfway between the points before and after;
- ``R_LRS``: ``U0`` over the current at ``+U0`` on the way to the positive peak;
- ``U_reset``: on the way to the positive peak, the voltage at which the current exceeds that of the way back at the
  same voltage the most: from there on it falls;
- ``R_HRS``: ``U0`` over the current at ``+U0`` on the way back from the positive peak *before* the SET; of a record
  that begins with a SET, over that at ``-U0`` on the way to it.

Currents between two points are interpolated. What lies before the first SET and behind the last RESET of a device is
half a cycle, and is left out; so is a loop without a SET or without a RESET: one whose conductance at ``U0`` changes
by less than the fourth root of what it changes by in the typical loop.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from memrix.device.fitting.cycles import Cycles
from memrix.device.fitting.extremes import extreme_curves
from memrix.device.fitting.reading import polarity_problem, require_equal_lengths, unusable
from memrix.device.fitting.sweeps import Sweep, split_sweeps
from memrix.device.parameters import HRS

_LEAST_CHANGE = 1.1  # of the conductance, by which a loop switches
_SPARED = 0.1  # share of the cycles of a device that may be missing at its end before it is worth a question


@dataclass(frozen=True, eq=False)
class Loop:
    """A sweep to a negative voltage and the one to a positive voltage behind it; ``before`` is the positive one
    before them, if there is any."""

    device: str
    cycle: int
    before: Sweep | None
    negative: Sweep
    positive: Sweep

    @property
    def features(self) -> tuple[float, float, float, float]:
        """HRS resistance in ohm, SET voltage in V, LRS resistance in ohm, RESET voltage in V."""
        off = self.negative.conductance if self.before is None else self.before.conductance_back
        return 1 / off, -self.negative.joining_voltage, 1 / self.positive.conductance, self.positive.parting_voltage


def extract_cycles(
    points: pd.DataFrame, path: Path, first: int | None, *, read_voltage: float, flip_polarity: bool
) -> Cycles:
    """Switching cycles of I-V loops, and the curves of the two extreme states between which they switch.

    Args:
        points: columns ``device, cycle, U, I`` in V and A; the index are the lines of the file.
        path: of the file, for messages.
        first: how many cycles of each device count, from its earliest; by default as many as all have. A device that
            has fewer than nine in ten of the most is an error.
        read_voltage: in V, at which resistances are taken.
        flip_polarity: whether voltages and currents had their signs changed, for messages.

    Raises:
        DataError: every sweep that cannot be used, by device, cycle and line; the other polarity; no whole loop.
    """
    problems: list[str] = []
    loops: list[Loop] = []
    sweeps: list[Sweep] = []
    ordered = points.sort_values(["device", "cycle"], kind="stable")
    for device, rows in ordered.groupby("device", sort=False):
        found = split_sweeps(rows, read_voltage, problems)
        sweeps += found
        loops += _paired(str(device), found)
    if not problems and _is_flipped(sweeps):
        problems.append(polarity_problem(flip_polarity=flip_polarity))
    if not problems and not loops:
        problems.append(
            f"there is no whole loop: a sweep to below -{read_voltage:g} V and back, and then one to above "
            f"{read_voltage:g} V and back"
        )
    if problems:
        raise unusable(path, problems)
    switched, unswitched = _switching(loops)
    lengths = Counter(loop.device for loop in switched)
    counts = {device: lengths[device] for device in dict.fromkeys(loop.device for loop in loops)}
    if not switched:
        raise unusable(path, ["no loop has a SET and a RESET", *unswitched])
    if first is None and min(counts.values()) >= (1 - _SPARED) * max(counts.values()):
        first = min(counts.values())
    require_equal_lengths(counts, first, problems)
    if problems:
        raise unusable(path, problems)
    features = np.array([[loop.features for loop in switched if loop.device == device][:first] for device in counts])
    features[..., HRS] = np.log10(features[..., HRS])
    low, high = extreme_curves([(loop.before, loop.negative, loop.positive) for loop in switched])
    return Cycles(
        devices=tuple(counts),
        features=features,
        low_curve=low,
        high_curve=high,
        sweep_peak=float(max(loop.positive.peak for loop in loops)),
        unswitched=tuple(unswitched),
    )


def _paired(device: str, sweeps: list[Sweep]) -> list[Loop]:
    """The sweeps of a device as loops that begin with the negative one; their signs alternate."""
    return [
        Loop(device, sweep.cycle, sweeps[number - 1] if number else None, sweep, sweeps[number + 1])
        for number, sweep in enumerate(sweeps[:-1])
        if sweep.sign < 0
    ]


def _is_flipped(sweeps: list[Sweep]) -> bool:
    """Whether most sweeps change the conductance the other way round: up at positive voltages, down at negative."""
    rising = [(sweep.conductance_back > sweep.conductance) == (sweep.sign > 0) for sweep in sweeps]
    return bool(sweeps) and float(np.mean(rising)) > 0.5


def _switching(loops: list[Loop]) -> tuple[list[Loop], list[str]]:
    """The loops that SET and RESET, and in words those that do not."""
    sets = np.array([loop.negative.conductance_back / loop.negative.conductance for loop in loops])
    resets = np.array([loop.positive.conductance / loop.positive.conductance_back for loop in loops])
    least = max(_LEAST_CHANGE, float(np.median(np.concatenate([sets, resets]))) ** 0.25)
    switched, words = [], []
    for loop, up, down in zip(loops, sets, resets, strict=True):
        missing = [name for name, change in (("SET", up), ("RESET", down)) if not change >= least]
        if missing:
            words.append(f"device {loop.device}, cycle {loop.cycle}: no {' and no '.join(missing)}")
        else:
            switched.append(loop)
    return switched, words
