"""Goodness of fit: how well parameters describe measured cycles, beside what chance alone would do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from memrix.characterization.cycles import FEATURE_COLUMNS, Cycles
from memrix.characterization.simulation import simulate_cycles
from memrix.device.parameters import Array, DeviceParameters

LAGS = (1, 2, 3, 4, 5)
_DEVICES = 1000
_REPLICATES = 19  # the largest of 19 is exceeded by 1 draw in 20


@dataclass(frozen=True)
class Comparison:
    """One figure of the measured cycles, and the same figure of cycles simulated from the fit."""

    measured: float
    fitted: float


@dataclass(frozen=True)
class FeatureGoodness:
    """How well one feature is described; resistances of the HRS are in log10 ohm.

    Attributes:
        name: column of the feature.
        distance: Kolmogorov-Smirnov distance between all measured and all simulated values.
        chance: the distance that 1 in 20 sets of as many devices would exceed if the parameters were true.
        mean: over all devices and cycles.
        within: root mean square over devices of the standard deviation from cycle to cycle.
        between: standard deviation from device to device of their means.
        between_scales: standard deviation from device to device of their deviations from cycle to cycle.
        autocorrelation: of cycles 1 to 5 apart.
    """

    name: str
    distance: float
    chance: float
    mean: Comparison
    within: Comparison
    between: Comparison
    between_scales: Comparison
    autocorrelation: tuple[Comparison, ...]


@dataclass(frozen=True)
class Goodness:
    """How well parameters describe measured cycles.

    Measured and fitted figures come from series of the same length by the same formula: both have the bias of short
    series, and can be compared.

    Attributes:
        devices: how many were measured.
        cycles: of each.
        features: one entry a feature.
        correlations: between features of the same cycle around the mean of their device, by ``"R_HRS, U_set"``.
        low_curve_residual: root mean square deviation of the polynomial from the measured current of the
            low-resistance extreme, relative to the root mean square of that current.
        high_curve_residual: the same of the high-resistance extreme.
    """

    devices: int
    cycles: int
    features: tuple[FeatureGoodness, ...]
    correlations: dict[str, Comparison]
    low_curve_residual: float
    high_curve_residual: float

    def to_dict(self) -> dict[str, Any]:
        """Plain tables and numbers, ready for JSON."""
        return asdict(self)


def goodness_of_fit(
    parameters: DeviceParameters, measured: Cycles, *, seed: int = 0, order: int | None = None
) -> Goodness:
    """Compare measured cycles with cycles simulated from parameters.

    The cycles of a device are alike, so the textbook's p-value of a Kolmogorov-Smirnov test, which takes them as
    independent, would reject every fit. ``chance`` is found by drawing as many devices as were measured, 19 times.

    Args:
        parameters: those to judge.
        measured: what they should describe.
        seed: of the simulation.
        order: of the autoregression; the highest by default.

    Raises:
        HardwareError: an order that the parameters do not hold, or one that is not stationary.
    """
    devices, cycles = len(measured.devices), measured.count
    seeds = [int(number) for number in np.random.SeedSequence(seed).generate_state(_REPLICATES + 1)]
    # Many devices, so that the simulation adds little chance of its own.
    reference = simulate_cycles(parameters, max(_DEVICES, devices), cycles, seeds[0], order)
    expected = np.sort(_pooled(reference.features))
    distances = kolmogorov_smirnov(_pooled(measured.features), expected)
    replicates = (simulate_cycles(parameters, devices, cycles, again, order).features for again in seeds[1:])
    chance = np.max([kolmogorov_smirnov(_pooled(features), expected) for features in replicates], axis=0)
    figures = [_figures(part.features) for part in (measured, reference)]

    def compare(name: str, *index: int) -> Comparison:
        return Comparison(*(float(figure[name][index]) for figure in figures))

    features = tuple(
        FeatureGoodness(
            name=name,
            distance=float(distances[i]),
            chance=float(chance[i]),
            mean=compare("mean", i),
            within=compare("within", i),
            between=compare("between", i),
            between_scales=compare("between_scales", i),
            autocorrelation=tuple(compare("autocorrelation", lag, i) for lag in range(len(LAGS))),
        )
        for i, name in enumerate(FEATURE_COLUMNS)
    )
    pairs = combinations(range(len(FEATURE_COLUMNS)), 2)
    return Goodness(
        devices=devices,
        cycles=cycles,
        features=features,
        correlations={f"{FEATURE_COLUMNS[i]}, {FEATURE_COLUMNS[j]}": compare("correlation", i, j) for i, j in pairs},
        low_curve_residual=_relative_residual(measured.low_curve, parameters.low_resistance),
        high_curve_residual=_relative_residual(measured.high_curve, parameters.high_resistance),
    )


def kolmogorov_smirnov(values: Array, expected: Array) -> Array:
    """``[features]``: distances between the distributions of ``[features, n]`` and of sorted ``[features, m]``.

    The expected values must not repeat. They stay sorted through many comparisons, which is most of the work.
    """
    distances = []
    for sample, known in zip(np.sort(values), expected, strict=True):
        cumulated = np.searchsorted(known, sample, side="right") / len(known)
        steps = np.arange(len(sample) + 1) / len(sample)
        distances.append(max(np.max(steps[1:] - cumulated), np.max(cumulated - steps[:-1])))
    return np.array(distances)


def _pooled(features: Array) -> Array:
    """``[4, devices * cycles]``."""
    return features.reshape(-1, features.shape[-1]).T


def _figures(features: Array) -> dict[str, Array]:
    """What is compared, of features ``[devices, cycles, 4]``."""
    means, deviations = features.mean(axis=1), features.std(axis=1)
    centred = features - means[:, None]
    variance = (centred**2).mean(axis=(0, 1))
    lagged = [(centred[:, lag:] * centred[:, :-lag]).mean(axis=(0, 1)) / variance for lag in LAGS]
    return {
        "mean": means.mean(axis=0),
        "within": np.sqrt(variance),
        "between": means.std(axis=0),
        "between_scales": deviations.std(axis=0),
        "autocorrelation": np.stack(lagged),
        "correlation": np.corrcoef(_pooled(centred)),
    }


def _relative_residual(curve: Array, polynomial: Array) -> float:
    voltage, current = curve.T
    return float(np.sqrt(((current - np.polyval(polynomial, voltage)) ** 2).sum() / (current**2).sum()))
