import numpy as np
import pytest

from memrix.device import Cells
from memrix.device.fitting import Cycles, fit_few_devices, goodness_of_fit, simulate_cycles
from memrix.errors import DataError

VOLTS = np.linspace(-0.6, 0.6, 41)
LOW, HIGH = np.column_stack([VOLTS, 3e-4 * VOLTS]), np.column_stack([VOLTS, 5e-6 * VOLTS])


def cycles(features: list[list[list[float]]]) -> Cycles:
    array = np.array(features, dtype=float)
    return Cycles(tuple(f"d{number}" for number in range(len(array))), array, LOW, HIGH)


A, B = [5.0, -0.7, 4500.0, 0.7], [5.2, -0.8, 4700.0, 0.8]


def test_means_and_spreads_are_those_of_the_textbook():
    """Two devices of two cycles: means 1 and 3 times the difference, so 4600 ohm and 200 ohm apart."""
    features = [
        [[5.0, -0.7, 4400.0, 0.7], [5.1, -0.6, 4600.0, 0.7]],
        [[5.2, -0.7, 4600.0, 0.7], [5.3, -0.6, 4800.0, 0.7]],
    ]
    parameters = fit_few_devices(cycles(features)).parameters
    np.testing.assert_allclose(parameters.mixture_means[0, :4], [5.15, -0.65, 4600, 0.7])
    # A difference of 200 ohm within each device is a variance of 20,000 ohm^2.
    within = np.sqrt(20_000)
    assert parameters.mixture_means[0, 6] == pytest.approx(within)
    # The means differ by 200 ohm, 20,000 ohm^2 too, of which a half is what two cycles leave uncertain.
    assert parameters.mixture_cholesky[0, 2, 2] == pytest.approx(np.sqrt(20_000 - 10_000))
    assert parameters.mixture_cholesky[0, 1, 1] == 0
    np.testing.assert_allclose(np.polyval(parameters.low_resistance, VOLTS), LOW[:, 1], atol=1e-15)


def test_cells_have_what_was_measured(built_in):
    measured = simulate_cycles(built_in, 5, 60, seed=2)
    parameters = fit_few_devices(measured).parameters
    cells = Cells(20_000, parameters, seed=1)
    drawn = cells.features.numpy()
    within = measured.features.std(axis=1).mean(axis=0)
    means = measured.features.mean(axis=1)
    total = np.sqrt(within**2 + means.var(axis=0, ddof=1))
    assert drawn[1].mean() == pytest.approx(means[:, 1].mean(), abs=0.005)
    assert drawn[2].std() == pytest.approx(total[2], rel=0.1)


def test_what_was_assumed_is_said():
    both = fit_few_devices(cycles([[A, B], [B, A]])).assumptions
    assert both[0].startswith("R_on = 4600 ohm, spread 0.0% between devices and 3.1% between cycles; R_off = ")
    assert "normally distributed" in both[1]
    assert len(both) == 2
    (*_, alone) = fit_few_devices(cycles([[A, B]])).assumptions
    assert alone == "One device does not show how devices differ: assumed as much as the cycles of this one"
    (*_, once) = fit_few_devices(cycles([[A], [B]])).assumptions
    assert once == "One cycle of each does not show how cycles differ: assumed as much as these devices"


def test_one_device_differs_from_others_as_much_as_its_cycles():
    parameters = fit_few_devices(cycles([[A, B]])).parameters
    np.testing.assert_allclose(np.diagonal(parameters.mixture_cholesky[0])[:4], parameters.mixture_means[0, 4:])


def test_a_parametric_device_describes_its_few_devices(built_in):
    measured = simulate_cycles(built_in, 5, 60, seed=2)
    goodness = goodness_of_fit(fit_few_devices(measured).parameters, measured, gross=True)
    assert goodness.verdict == (
        "Parametric device: its means and spreads describe the measurements; only gross misfits would show."
    )


def test_failed_resets_of_few_devices_are_a_misfit_all_the_same(built_in):
    measured = simulate_cycles(built_in, 5, 60, seed=2)
    failed = np.random.default_rng(0).random((5, 60)) < 0.3
    measured.features[..., 0] = np.where(failed, np.log10(measured.features[..., 2]), measured.features[..., 0])
    assert not goodness_of_fit(fit_few_devices(measured).parameters, measured, gross=True).fits


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_cycles_are_judged_too(count):
    generator = np.random.default_rng(0)
    measured = cycles((np.array(A) * (1 + 0.01 * generator.standard_normal((3, count, 4)))).tolist())
    goodness = goodness_of_fit(fit_few_devices(measured).parameters, measured, gross=True)
    assert goodness.fits
    assert len(goodness.features[0].autocorrelation) == count - 1


def test_a_voltage_that_never_changes_is_described(built_in):
    measured = simulate_cycles(built_in, 4, 30, seed=2)
    measured.features[..., 1] = -0.7
    few = fit_few_devices(measured).parameters
    assert (few.mixture_means[0, 1], few.mixture_cholesky[0, 1, 1]) == (pytest.approx(-0.7), pytest.approx(0))
    assert goodness_of_fit(few, measured, gross=True).fits


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([[A]], "one cycle of one device shows no spread: measure more cycles of it, or more devices"),
        ([[A, [5.0, -0.7, 14500.0, 0.7]]], r"LRS resistance \(ohm\) .*at most 30%; measure 9 devices or more"),
        ([[[5.0, -0.7, 4500.0, 1.7]] * 2], "lie at or above the full reset voltage, 1.46 V"),
    ],
)
def test_cycles_that_give_no_device_are_explained(features, message):
    with pytest.raises(DataError, match=message):
        fit_few_devices(cycles(features))
