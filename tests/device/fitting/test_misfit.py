"""Devices of the model are taken for what they are, and measurements of anything else for a misfit.

What is put into the measurements is put in before they are fitted: the fit does what it can to follow.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from memrix.device.fitting import Cycles, Goodness, fit_parameters, goodness_of_fit, simulate_cycles
from memrix.device.fitting.misfit import Misfit, listed_misfits
from memrix.device.fitting.symptoms import _two_levels, without_steps

Features = np.ndarray
Change = Callable[[Features, np.random.Generator], None]
HRS, SET, LRS, RESET = range(4)


def judged(cycles: Cycles, change: Change | None = None) -> Goodness:
    features = cycles.features.copy()
    if change is not None:
        change(features, np.random.default_rng(5))
    changed = replace(cycles, features=features)
    return goodness_of_fit(fit_parameters(changed, order=None, components=None), changed)


def two_levels(generator: np.random.Generator, shape: tuple[int, int], up: float, down: float) -> np.ndarray:
    """Telegraph noise: shares of 0 and 1 that change with these probabilities a cycle."""
    chances = generator.random(shape)
    states = np.zeros(shape, dtype=bool)
    states[:, 0] = chances[:, 0] < up / (up + down)
    for cycle in range(1, shape[1]):
        states[:, cycle] = np.where(states[:, cycle - 1], chances[:, cycle] >= down, chances[:, cycle] < up)
    return states


def failed_resets(share: float) -> Change:
    def change(features: Features, generator: np.random.Generator) -> None:
        failed = generator.random(features.shape[:2]) < share
        features[..., HRS] = np.where(failed, np.log10(features[..., LRS]), features[..., HRS])

    return change


def telegraph(feature: int, height: float, up: float, down: float, devices: int | None = None) -> Change:
    def change(features: Features, generator: np.random.Generator) -> None:
        states = two_levels(generator, features.shape[:2], up, down)
        states[features.shape[0] if devices is None else devices :] = False
        if feature == HRS:
            features[..., HRS] += np.log10(1 + height) * states
        else:
            features[..., feature] *= 1 + height * states

    return change


def heavy_tails(feature: int) -> Change:
    """Student's t with two degrees of freedom around the mean of each device."""

    def change(features: Features, generator: np.random.Generator) -> None:
        series = features[..., feature]
        drawn = generator.standard_t(2, series.shape)
        features[..., feature] = series.mean(axis=1, keepdims=True) + series.std(axis=1, keepdims=True) * drawn

    return change


def two_peaks(feature: int) -> Change:
    """Every cycle is drawn from one of two peaks, five deviations apart."""

    def change(features: Features, generator: np.random.Generator) -> None:
        deviation = features[..., feature].std(axis=1, keepdims=True)
        features[..., feature] += 5 * deviation * (generator.random(features.shape[:2]) < 0.5)

    return change


def wear(features: Features, _: np.random.Generator) -> None:
    """The LRS resistance rises by two deviations."""
    features[..., LRS] += np.linspace(0, 400, features.shape[1])


def growing_spread(features: Features, _: np.random.Generator) -> None:
    mean = features[..., LRS].mean(axis=1, keepdims=True)
    features[..., LRS] = mean + (features[..., LRS] - mean) * np.linspace(0.5, 1.5, features.shape[1])


def one_device_of_its_own(features: Features, generator: np.random.Generator) -> None:
    telegraph(LRS, 0.3, 0.05, 0.05, devices=1)(features, generator)


@pytest.fixture(scope="module")
def few(built_in) -> Cycles:
    return simulate_cycles(built_in, 40, 60, seed=11)


@pytest.mark.parametrize(
    ("change", "feature"),
    [
        (failed_resets(0.3), "R_HRS"),
        pytest.param(failed_resets(0.1), "R_HRS", marks=pytest.mark.slow),
        pytest.param(telegraph(LRS, 0.2, 0.5, 0.5), "R_LRS", marks=pytest.mark.slow),
        (telegraph(LRS, 0.2, 0.05, 0.05), "R_LRS"),
        pytest.param(telegraph(HRS, 9.0, 0.1, 0.1), "R_HRS", marks=pytest.mark.slow),
        (heavy_tails(HRS), "R_HRS"),
        (two_peaks(RESET), "U_reset"),
        pytest.param(two_peaks(SET), "U_set", marks=pytest.mark.slow),
        pytest.param(wear, "R_LRS", marks=pytest.mark.slow),
        (growing_spread, "R_LRS"),
    ],
    ids=lambda value: getattr(value, "__qualname__", value).split(".")[0],
)
def test_what_the_model_does_not_describe_is_called_a_misfit(few, change, feature):
    goodness = judged(few, change)
    assert not goodness.fits
    assert feature in {misfit.feature for misfit in goodness.misfits}
    assert goodness.verdict.startswith("MISFIT: the parameters do not describe these measurements: ")


def test_a_device_of_its_own_is_named(few):
    goodness = judged(few, one_device_of_its_own)
    assert not goodness.fits
    assert goodness.verdict.startswith("MISFIT: the parameters do not describe these measurements: ")
    misfits = goodness.misfits
    assert "R_LRS" in {misfit.feature for misfit in misfits}
    assert [misfit.device for misfit in misfits if misfit.kind == "single levels"] == ["d1"]


def test_two_levels_of_a_series_leave_what_the_textbook_says():
    generator = np.random.default_rng(0)
    normal = generator.standard_normal((2, 200_000))
    # Of a normal number, the halves lie at the root of 2 / pi; two levels 6 deviations apart have a variance of 10.
    expected = [-np.log(1 - 2 / np.pi), np.log(10)]
    found = _two_levels(normal + [[0], [6]] * (generator.random(normal.shape) < 0.5))
    assert found == pytest.approx(expected, abs=0.01)


def test_a_device_of_the_model_fits(few):
    goodness = judged(few)
    assert goodness.fits
    assert goodness.verdict == (
        f"The fit describes the measurements: all {goodness.figures} figures lie within what chance explains."
    )
    table = goodness.to_dict()
    assert table["fits"] is True
    assert table["misfits"] == ()


@pytest.mark.parametrize(("devices", "cycles"), [pytest.param(27, 60, marks=pytest.mark.slow), (60, 25)])
def test_few_devices_and_short_series_fit(built_in, devices, cycles):
    assert judged(simulate_cycles(built_in, devices, cycles, seed=1)).verdict.startswith("The fit describes")


def test_values_in_steps_of_the_instrument_are_no_misfit(few):
    def rounded(features: Features, _: np.random.Generator) -> None:
        features[..., [SET, RESET]] = features[..., [SET, RESET]].round(2)

    assert judged(few, rounded).verdict.startswith("The fit describes")


@pytest.mark.slow
def test_at_most_one_in_fifty_proper_devices_is_called_a_misfit(built_in):
    sizes = [(40, 60)] * 20 + [(9, 40)] * 20 + [(30, 25)] * 20 + [(100, 100)] * 20 + [(200, 300)] * 5
    wrong = [
        (size, seed)
        for seed, size in enumerate(sizes, start=1000)
        if not judged(simulate_cycles(built_in, *size, seed=seed)).fits
    ]
    assert len(wrong) <= 1, wrong


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "change",
    [
        failed_resets(0.3),
        failed_resets(0.03),
        telegraph(LRS, 0.2, 0.05, 0.05),
        telegraph(HRS, 2.0, 0.1, 0.1),
        telegraph(LRS, 0.3, 0.05, 0.05, devices=1),
        heavy_tails(LRS),
        heavy_tails(SET),
        two_peaks(HRS),
    ],
)
def test_misfits_of_many_devices_are_always_called_so(built_in, change, seed):
    assert not judged(simulate_cycles(built_in, 150, 150, seed=seed), change).fits


def test_an_extreme_curve_that_is_no_polynomial_is_a_misfit(few):
    kinked = few.low_curve.copy()
    kinked[:, 1] *= 1 + 0.5 * np.sin(40 * kinked[:, 0])
    misfits = judged(replace(few, low_curve=kinked)).misfits
    assert [(misfit.feature, misfit.kind) for misfit in misfits] == [("LRS", "curve")]


def test_loops_that_do_not_switch_are_a_misfit(few):
    lost = replace(few, unswitched=("device d1, cycle 3: no SET",) * 100)
    (misfit,) = judged(lost).misfits
    assert str(misfit) == "loops: loops that do not SET or do not RESET (share 0.04, by chance at most 0.01)"


def test_values_that_are_spread_over_their_steps_keep_their_distribution():
    generator = np.random.default_rng(0)
    true = generator.standard_normal((100, 200, 4))
    stairs = true.round(1)
    spread = without_steps(stairs, generator)
    assert np.abs(spread - stairs).max() <= 0.051 + np.diff(np.unique(stairs)).max()
    assert len(np.unique(spread)) == spread.size
    for feature in range(4):
        distance = np.abs(np.sort(spread[..., feature].ravel()) - np.sort(true[..., feature].ravel()))
        assert np.median(distance) < 0.01


def test_values_without_steps_are_left_alone():
    true = np.random.default_rng(0).standard_normal((10, 20, 4))
    np.testing.assert_array_equal(without_steps(true, np.random.default_rng(0)), true)


def test_misfits_are_named_in_words():
    one = Misfit("R_HRS", "shape", 0, 0.153, 0.007, 0.017)
    other = Misfit("R_LRS", "memory", 2, 0.1, 0.3, 0.4)
    third = Misfit("R_LRS", "single shape", 0, 0.34, 0.1, 0.18, "d1")
    assert str(one) == "R_HRS: its distribution within a device (KS 0.153, by chance at most 0.017)"
    assert str(other) == "R_LRS: its memory, 2 cycles apart (correlation 0.1, by chance 0.3 to 0.4)"
    assert str(third) == "R_LRS: its distribution within a single device (d1) (KS 0.34, by chance at most 0.18)"
    assert listed_misfits([one, other]) == f"{one}; {other}"
    assert listed_misfits([one] + [other] * 6) == f"{one}; {other}; and 5 more figures"
