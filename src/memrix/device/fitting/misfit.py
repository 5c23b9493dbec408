"""Whether a fit describes what it was fitted to: what lies further from it than chance explains, and matters.

A figure of the measured cycles is compared with the same figure of 19 sets of as many devices and cycles, drawn
from the fit. It is a misfit if it lies outside of them by more than the whole range of the 19, and if it differs from
their mean by so much that cells would behave otherwise. For a normal figure the first is some 5.5 standard
deviations: among a hundred figures chance finds none. Figures that are not normal, and fits that few devices leave
uncertain, make it about 1 fit in 100 (a test counts).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from memrix.device.fitting.symptoms import Symptom, Symptoms
from memrix.device.parameters import Array

REPLICATES = 19
_MARGIN = 1.0  # of the range of the replicates
_NAMED = 4


@dataclass(frozen=True)
class _Kind:
    """What a figure is, in words, and by how much it must differ to matter."""

    words: str
    figure: str
    material: float


_KINDS = {
    "values": _Kind("its distribution over all devices and cycles", "KS", 0.05),
    "shape": _Kind("its distribution within a device", "KS", 0.01),
    "means": _Kind("how the means of devices are distributed", "KS", 0.08),
    "deviations": _Kind("how the deviations of devices are distributed", "KS", 0.08),
    "steps": _Kind("the distribution of its steps from cycle to cycle", "KS", 0.015),
    "tails": _Kind("its outliers within a device", "log kurtosis", 0.25),
    "jumps": _Kind("its jumps from cycle to cycle", "log kurtosis", 0.25),
    "single shape": _Kind("its distribution within a single device", "KS", 0.08),
    "single jumps": _Kind("its jumps within a single device", "log kurtosis", 0.4),
    "single levels": _Kind("jumps between two levels of a single device", "log variance", 0.3),
    "bursts": _Kind("bursts of large steps", "correlation", 0.05),
    "drift": _Kind("drift from the first to the last third of the cycles", "deviations", 0.2),
    "growing spread": _Kind("growth of its spread over the cycles", "log variance", 0.2),
    "memory": _Kind("its memory", "correlation", 0.05),
    "correlation": _Kind("their correlation", "correlation", 0.05),
    "curve": _Kind("the I-V curve of this extreme", "relative residual", 0.0),
    "switching": _Kind("loops that do not SET or do not RESET", "share", 0.0),
}
# With a device of few parameters nobody expects more than its spreads: what differs by this is another device.
GROSS = {"shape": 0.1}


@dataclass(frozen=True)
class Misfit:
    """One figure by which measurements differ from their fit, beyond what chance explains.

    Attributes:
        feature: the column, two of them, or the curve.
        kind: of figure; ``str`` of a misfit says it in words.
        lag: how many cycles apart, 0 where it is of none.
        measured: the figure of the measurements.
        low: the least of those that the fit gives by chance.
        high: the largest of them.
        device: whose figure it is, where it is that of a single device.
    """

    feature: str
    kind: str
    lag: int
    measured: float
    low: float
    high: float
    device: str | None = None

    def __str__(self) -> str:
        kind = _KINDS[self.kind]
        apart = f", {self.lag} cycle{'s' if self.lag > 1 else ''} apart" if self.lag else ""
        device = f" ({self.device})" if self.device is not None else ""
        chance = (
            f"at most {self.high:.3g}"
            if self.low >= 0 and self.measured > self.high
            else f"{self.low:.3g} to {self.high:.3g}"
        )
        return f"{self.feature}: {kind.words}{device}{apart} ({kind.figure} {self.measured:.3g}, by chance {chance})"


def find_misfits(
    symptoms: Symptoms,
    measured: Array,
    by_chance: Sequence[Mapping[Symptom, float]],
    devices: Sequence[str],
    *,
    gross: bool = False,
) -> tuple[list[Misfit], int]:
    """The misfits of features ``[devices, cycles, 4]``, the worst first, and how many figures were looked at.

    Args:
        symptoms: figures beside those of the fit.
        measured: features.
        by_chance: the figures of as many devices and cycles, drawn from the fit, set by set.
        devices: names of the measured devices.
        gross: look only for what no device of few parameters can be excused.
    """
    material = GROSS if gross else {name: kind.material for name, kind in _KINDS.items()}
    figures = {symptom: value for symptom, value in symptoms.of(measured).items() if symptom.kind in material}
    found = []
    for symptom, value in figures.items():
        drawn = np.array([each[symptom] for each in by_chance])
        low, high = float(drawn.min()), float(drawn.max())
        outside = max(value - high, low - value) / max(high - low, np.finfo(np.float64).tiny)
        if outside > _MARGIN and abs(value - drawn.mean()) > material[symptom.kind]:
            found.append((outside, symptom, low, high))
    found.sort(key=lambda entry: -entry[0])
    misfits = []
    for _, symptom, low, high in found:
        oddest = symptoms.oddest(measured, symptom)
        name = None if oddest is None else devices[oddest]
        misfits.append(Misfit(*symptom, figures[symptom], low, high, name))
    return misfits, len(figures)


def listed_misfits(misfits: Collection[Misfit]) -> str:
    """Misfits in one line: the first of each feature and kind, and how many more there are."""
    first = list({(misfit.feature, misfit.kind): misfit for misfit in reversed(list(misfits))}.values())[::-1]
    shown = "; ".join(map(str, first[:_NAMED]))
    more = len(misfits) - len(first[:_NAMED])
    return f"{shown}; and {more} more figure{'s' if more > 1 else ''}" if more > 0 else shown
