"""Goodness of fit: how well parameters describe measured cycles, beside what chance alone would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from memrix.device.fitting.cycles import Cycles
from memrix.device.fitting.layout import FEATURE_COLUMNS, HIGH_CURVE, LOW_CURVE
from memrix.device.fitting.misfit import REPLICATES, Misfit, find_misfits, listed_misfits
from memrix.device.fitting.simulation import simulate_cycles
from memrix.device.fitting.symptoms import Symptom, Symptoms, distance, without_steps
from memrix.device.parameters import Array, DeviceParameters

LAGS = (1, 2, 3, 4, 5)
_DEVICES = 1000
_CURVE_RESIDUAL = 0.1  # of the current: a polynomial that misses by more is another curve
_UNSWITCHED = 0.01  # share of loops: more are no accidents of the measurement


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
        autocorrelation: of cycles 1 to 5 apart, or fewer where there are no more.
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
        misfits: what the parameters do not describe, the worst first; ``memrix.device.fitting.misfit`` says how it
            is decided.
        figures: how many were looked at for that.
        gross: whether only gross misfits were looked for.
    """

    devices: int
    cycles: int
    features: tuple[FeatureGoodness, ...]
    correlations: dict[str, Comparison]
    low_curve_residual: float
    high_curve_residual: float
    misfits: tuple[Misfit, ...] = ()
    figures: int = 0
    gross: bool = False

    @property
    def fits(self) -> bool:
        """Whether no figure lies further from the fit than chance explains."""
        return not self.misfits

    @property
    def verdict(self) -> str:
        """One line: whether the parameters describe the measurements, and if not, what they miss."""
        if self.misfits:
            return f"MISFIT: the parameters do not describe these measurements: {listed_misfits(self.misfits)}"
        if self.gross:
            return (
                "Parametric device: its means and spreads describe the measurements; only gross misfits would show."
            )
        return f"The fit describes the measurements: all {self.figures} figures lie within what chance explains."

    def to_dict(self) -> dict[str, Any]:
        """Plain tables and numbers, ready for JSON."""
        return {"fits": self.fits, "verdict": self.verdict, **asdict(self)}


def goodness_of_fit(
    parameters: DeviceParameters, measured: Cycles, *, seed: int = 0, order: int | None = None, gross: bool = False
) -> Goodness:
    """Compare measured cycles with cycles simulated from parameters.

    The cycles of a device are alike, so the textbook's p-value of a Kolmogorov-Smirnov test, which takes them as
    independent, would reject every fit. ``chance`` is found by drawing as many devices as were measured, 19 times.

    Args:
        parameters: those to judge.
        measured: what they should describe.
        seed: of the simulation.
        order: of the autoregression; the highest by default.
        gross: look only for misfits that no description by means and spreads can be excused.

    Raises:
        SettingsError: an order that the parameters do not hold, or one that is not stationary.
    """
    devices, cycles = len(measured.devices), measured.count
    seeds = [int(number) for number in np.random.SeedSequence(seed).generate_state(REPLICATES + 1)]
    # Many devices, so that the simulation adds little chance of its own.
    reference = simulate_cycles(parameters, max(_DEVICES, devices), cycles, seeds[0], order)
    expected = np.sort(_pooled(reference.features))
    distances = kolmogorov_smirnov(_pooled(measured.features), expected)
    symptoms = Symptoms(parameters, reference.features, order)
    # One set at a time: many long series do not fit into memory side by side.
    drawn = [symptoms.of(simulate_cycles(parameters, devices, cycles, again, order).features) for again in seeds[1:]]
    chance = [max(each[Symptom(name, "values")] for each in drawn) for name in FEATURE_COLUMNS]
    figures = [_figures(part.features) for part in (measured, reference)]
    misfits, examined = find_misfits(
        symptoms,
        without_steps(measured.features, np.random.default_rng(seeds[0])),
        drawn,
        measured.devices,
        gross=gross,
    )
    low_residual = _relative_residual(measured.low_curve, parameters.low_resistance)
    high_residual = _relative_residual(measured.high_curve, parameters.high_resistance)
    unswitched = len(measured.unswitched) / (len(measured.unswitched) + devices * cycles)
    pairs = combinations(range(len(FEATURE_COLUMNS)), 2)
    return Goodness(
        devices=devices,
        cycles=cycles,
        features=_compared_features(figures, distances, chance),
        correlations={
            f"{FEATURE_COLUMNS[i]}, {FEATURE_COLUMNS[j]}": _compared(figures, "correlation", i, j) for i, j in pairs
        },
        low_curve_residual=low_residual,
        high_curve_residual=high_residual,
        misfits=(
            *_beyond("switching", "loops", unswitched, _UNSWITCHED),
            *_beyond("curve", LOW_CURVE, low_residual, _CURVE_RESIDUAL),
            *_beyond("curve", HIGH_CURVE, high_residual, _CURVE_RESIDUAL),
            *misfits,
        ),
        figures=examined + 3,
        gross=gross,
    )


def _compared_features(
    figures: Sequence[dict[str, Array]], distances: Array, chance: Sequence[float]
) -> tuple[FeatureGoodness, ...]:
    """Of each feature; ``figures``: of the measured cycles and of the simulated ones."""
    lags = range(len(figures[0]["autocorrelation"]))
    return tuple(
        FeatureGoodness(
            name=name,
            distance=float(distances[i]),
            chance=chance[i],
            mean=_compared(figures, "mean", i),
            within=_compared(figures, "within", i),
            between=_compared(figures, "between", i),
            between_scales=_compared(figures, "between_scales", i),
            autocorrelation=tuple(_compared(figures, "autocorrelation", lag, i) for lag in lags),
        )
        for i, name in enumerate(FEATURE_COLUMNS)
    )


def _compared(figures: Sequence[dict[str, Array]], name: str, *index: int) -> Comparison:
    return Comparison(*(float(figure[name][index]) for figure in figures))


def _beyond(kind: str, name: str, figure: float, limit: float) -> list[Misfit]:
    """A misfit where a share is larger than a limit."""
    return [Misfit(name, kind, 0, figure, 0.0, limit)] if figure > limit else []


def kolmogorov_smirnov(values: Array, expected: Array) -> Array:
    """``[features]``: distances between the distributions of ``[features, n]`` and of sorted ``[features, m]``.

    The expected values must not repeat. They stay sorted through many comparisons, which is most of the work.
    """
    return np.array([distance(sample, known) for sample, known in zip(values, expected, strict=True)])


def _pooled(features: Array) -> Array:
    """``[4, devices * cycles]``."""
    return features.reshape(-1, features.shape[-1]).T


def _figures(features: Array) -> dict[str, Array]:
    """What is compared, of features ``[devices, cycles, 4]``."""
    means, deviations = features.mean(axis=1), features.std(axis=1)
    centerd = features - means[:, None]
    variance = (centerd**2).mean(axis=(0, 1))
    # Cycles that do not vary are correlated with nothing.
    divisor = np.where(variance > 0, variance, 1.0)
    lags = [lag for lag in LAGS if lag < features.shape[1]]
    lagged = [(centerd[:, lag:] * centerd[:, :-lag]).mean(axis=(0, 1)) / divisor for lag in lags]
    products = np.einsum("dci,dcj->ij", centerd, centerd) / centerd[..., 0].size
    return {
        "mean": means.mean(axis=0),
        "within": np.sqrt(variance),
        "between": means.std(axis=0),
        "between_scales": deviations.std(axis=0),
        "autocorrelation": np.array(lagged),
        "correlation": products / np.sqrt(np.outer(divisor, divisor)),
    }


def _relative_residual(curve: Array, polynomial: Array) -> float:
    voltage, current = curve.T
    return float(np.sqrt(((current - np.polyval(polynomial, voltage)) ** 2).sum() / (current**2).sum()))
