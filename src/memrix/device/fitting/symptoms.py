"""Figures by which measured cycles that the model does not describe differ from those that it does.

Each figure is one number for a feature, or for a pair of them. None has a textbook's distribution, for the cycles of
a device are alike: what chance does to it is found by simulation (``misfit``).
"""

from __future__ import annotations

from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np

from memrix.device.fitting.layout import FEATURE_COLUMNS
from memrix.device.fitting.process import WIDTH, order_of
from memrix.device.fitting.shapes import invert, largest_score
from memrix.device.parameters import Array, DeviceParameters

LAGS = (1, 2, 5, 10, 20, 50)
_LARGEST_SQUARE = 16.0  # of a step of deviation 1, beyond which it says no more about its neighbors
_FEWEST_STEPS = 10  # of a device, without those that lack a history
_SHAPE_POINTS = 20_000  # of the distribution that single devices are compared with
_SMALLEST_LEVEL = 0.05  # share of the cycles: fewer are outliers rather than a level
_TINY = float(np.finfo(np.float64).tiny)  # keeps what is nothing from being divided by nothing
_ROUNDING = 1e-12  # of the mean of a series, by which it does not vary
_REPEATED = 0.5  # share of values that occur more than once: more are measured in steps


class Symptom(NamedTuple):
    """One figure: of which feature (or pair of them), of what kind, and of how many cycles apart (0: of none)."""

    feature: str
    kind: str
    lag: int = 0


class Aspects(NamedTuple):
    """Features as they are looked at: as measured, within a device, and in steps from cycle to cycle.

    Attributes:
        values: ``[devices, cycles, 4]``.
        standardized: the same less the mean of the device, over its deviation.
        means: ``[devices, 4]``.
        deviations: natural logarithms, ``[devices, 4]``.
        steps: ``[devices, cycles - order, 4]``: what is new in a cycle, given those before it; of variance 1 if the
            autoregression is true. None where there are too few cycles.
    """

    values: Array
    standardized: Array
    means: Array
    deviations: Array
    steps: Array | None


class Symptoms:
    """Figures of features ``[devices, cycles, 4]`` beside those of a reference that the model has drawn."""

    def __init__(self, parameters: DeviceParameters, reference: Array, order: int | None = None) -> None:
        self._parameters = parameters
        self._autoregression = parameters.autoregression(order)
        self._limit = largest_score(reference.shape[0] * reference.shape[1])
        aspects = self._aspects(reference)
        self._known = [None if part is None else np.sort(part.reshape(-1, WIDTH), axis=0) for part in aspects]
        points = aspects.standardized.reshape(-1, WIDTH)
        self._shape = np.sort(points, axis=0)[:: max(1, len(points) // _SHAPE_POINTS)]

    def of(self, features: Array) -> dict[Symptom, float]:
        """Every figure of features ``[devices, cycles, 4]``."""
        aspects = self._aspects(features)
        figures: dict[Symptom, float] = {}
        for kind, part, known in zip(
            ("values", "shape", "means", "deviations", "steps"), aspects, self._known, strict=True
        ):
            for i, name in enumerate(FEATURE_COLUMNS):
                if part is not None and known is not None:
                    figures[Symptom(name, kind)] = distance(part[..., i].ravel(), known[:, i])
        for i, name in enumerate(FEATURE_COLUMNS):
            figures |= self._of_series(name, aspects.standardized[..., i], self._shape[:, i])
            if aspects.steps is not None:
                figures |= _of_steps(name, aspects.steps[..., i])
        return figures | _of_pairs(aspects.standardized)

    def oddest(self, features: Array, symptom: Symptom) -> int | None:
        """Number of the device to which a figure belongs, or None if it is one of all devices."""
        i = FEATURE_COLUMNS.index(symptom.feature) if symptom.feature in FEATURE_COLUMNS else None
        if symptom.kind == "single shape":
            standardized = self._aspects(features).standardized[..., i]
            return int(np.argmax([distance(series, self._shape[:, i]) for series in standardized]))
        if symptom.kind == "single levels":
            return int(np.argmax(_two_levels(self._aspects(features).standardized[..., i])))
        steps = self._aspects(features).steps if symptom.kind == "single jumps" else None
        return None if steps is None else int(np.argmax(_kurtosis(steps[..., i])))

    def _aspects(self, features: Array) -> Aspects:
        means, deviations = features.mean(axis=1), features.std(axis=1)
        # A series that never changes has no shape; what is left of it is rounding.
        constant = deviations <= _ROUNDING * np.abs(means)
        deviations = np.where(constant, 1.0, deviations)
        standardized = np.where(constant[:, None], 0.0, (features - means[:, None]) / deviations[:, None])
        return Aspects(features, standardized, means, np.log(deviations), self._steps(standardized))

    def _steps(self, standardized: Array) -> Array | None:
        order, cycles = order_of(self._autoregression), standardized.shape[1]
        if cycles < order + _FEWEST_STEPS:
            return None
        scores = invert(self._parameters.feature_polynomials, standardized, self._limit)
        weights = self._autoregression[:, WIDTH:].reshape(WIDTH, order, WIDTH)
        steps = scores[:, order:].copy()
        for age in range(order):
            steps -= scores[:, age : age + cycles - order] @ weights[:, age].T
        return np.asarray(steps @ np.linalg.inv(self._autoregression[:, :WIDTH]).T)

    def _of_series(self, name: str, series: Array, shape: Array) -> dict[Symptom, float]:
        cycles = series.shape[1]
        third, half = max(1, cycles // 3), max(1, cycles // 2)
        early, late = (np.maximum(part.var(axis=1).mean(), 1e-12) for part in (series[:, :half], series[:, -half:]))
        return {
            Symptom(name, "tails"): float(np.log(_kurtosis(series.ravel()))),
            Symptom(name, "single shape"): max(distance(device, shape) for device in series),
            Symptom(name, "single levels"): float(_two_levels(series).max()),
            Symptom(name, "drift"): float((series[:, -third:].mean(axis=1) - series[:, :third].mean(axis=1)).mean()),
            Symptom(name, "growing spread"): float(np.log(late / early)),
            **{
                Symptom(name, "memory", lag): float((series[:, lag:] * series[:, :-lag]).mean())
                for lag in LAGS
                if lag < cycles / 3
            },
        }


def distance(values: Array, known: Array) -> float:
    """Kolmogorov-Smirnov distance between the distributions of values and of sorted ones that do not repeat."""
    ordered = np.sort(values)
    cumulated = np.searchsorted(known, ordered, side="right") / len(known)
    shares = np.arange(len(ordered) + 1) / len(ordered)
    return float(max(np.max(shares[1:] - cumulated), np.max(cumulated - shares[:-1])))


def without_steps(features: Array, generator: np.random.Generator) -> Array:
    """Features of which those that were measured in steps are spread evenly over each step.

    A voltage that is known to 10 mV has a distribution of stairs, which says something about the instrument.
    """
    spread = features.copy()
    for i in range(WIDTH):
        values, place, count = np.unique(features[..., i], return_inverse=True, return_counts=True)
        place = place.reshape(features.shape[:2])
        if len(values) < 2 or (count[place] > 1).mean() <= _REPEATED:
            continue
        half = np.diff(values) / 2
        below, above = np.concatenate([half[:1], half]), np.concatenate([half, half[-1:]])
        spread[..., i] += generator.uniform(-below[place], above[place])
    return spread


def _of_steps(name: str, steps: Array) -> dict[Symptom, float]:
    squares = steps**2
    squares = np.minimum(squares / np.maximum(squares.mean(axis=1, keepdims=True), _TINY), _LARGEST_SQUARE)
    squares -= squares.mean(axis=1, keepdims=True)
    return {
        Symptom(name, "jumps"): float(np.log(_kurtosis(steps.ravel()))),
        Symptom(name, "single jumps"): float(np.log(_kurtosis(steps).max())),
        Symptom(name, "bursts"): float((squares[:, 1:] * squares[:, :-1]).mean() / max((squares**2).mean(), _TINY)),
    }


def _of_pairs(standardized: Array) -> dict[Symptom, float]:
    flat = standardized.reshape(-1, WIDTH)
    same = flat.T @ flat / len(flat)
    later, earlier = standardized[:, 1:].reshape(-1, WIDTH), standardized[:, :-1].reshape(-1, WIDTH)
    next_cycle = later.T @ earlier / max(1, len(later))
    figures = {}
    for i, j in combinations(range(WIDTH), 2):
        figures[Symptom(f"{FEATURE_COLUMNS[i]}, {FEATURE_COLUMNS[j]}", "correlation")] = float(same[i, j])
    for i, j in permutations(range(WIDTH), 2):
        pair = f"{FEATURE_COLUMNS[j]}, {FEATURE_COLUMNS[i]}"
        figures[Symptom(pair, "correlation", 1)] = float(next_cycle[i, j])
    return figures


def _two_levels(series: Array) -> Array:
    """``[devices]``: logarithm of the variance of ``[devices, cycles]`` over what the best two levels leave of it.

    A normal series gives 1.0; one that jumps between two levels, 7 deviations apart, 2.6.
    """
    cycles = series.shape[1]
    ordered = np.sort(series - series.mean(axis=1, keepdims=True), axis=1)
    least = max(1, round(_SMALLEST_LEVEL * cycles))
    below = np.arange(least, cycles - least + 1)
    if not len(below) or cycles < 2:
        return np.zeros(len(series))
    sums = np.cumsum(ordered, axis=1)[:, below - 1]
    between = (sums**2 * cycles / (below * np.maximum(cycles - below, 1))).max(axis=1)
    total = np.maximum((ordered**2).sum(axis=1), _TINY)
    result: Array = -np.log(np.maximum(1 - between / total, 1e-12))
    return result


def _kurtosis(values: Array) -> Array:
    """Mean fourth power over the squared mean square, along the last axis."""
    squares = values**2
    result: Array = (squares**2).mean(axis=-1) / np.maximum(squares.mean(axis=-1) ** 2, _TINY)
    return np.maximum(result, 1.0)
