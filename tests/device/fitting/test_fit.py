import numpy as np
import pytest

from memrix.device import load_parameters
from memrix.device.fitting import (
    FitSettings,
    fit_device,
    fit_few_devices,
    fit_parameters,
    read_cycles,
    simulate_cycles,
)
from memrix.device.parametric import RESET_EXPONENT


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    def written(devices, cycles):
        path = tmp_path_factory.mktemp("fit") / f"{devices}.csv"
        simulate_cycles(load_parameters("synaptogen"), devices, cycles, seed=1).save(path)
        return path

    return written


def test_a_few_devices_give_a_parametric_device(measured):
    path = measured(3, 6)
    fitted = fit_device(path, FitSettings(cycles=5, read_voltage=0.25))
    by_hand = fit_few_devices(read_cycles(path, 5, read_voltage=0.25), read_voltage=0.25)
    np.testing.assert_array_equal(fitted.parameters.mixture_means, by_hand.parameters.mixture_means)
    assert fitted.assumptions == by_hand.assumptions
    assert (fitted.measured.count, fitted.parameters.read_voltage) == (5, 0.25)
    assert fitted.parameters.reset_exponent == RESET_EXPONENT


def test_more_devices_are_fitted_with_the_settings(measured):
    path, told = measured(12, 20), []
    fitted = fit_device(path, FitSettings(order=2, components=1, reset_exponent=2.5, seed=3), told.append)
    by_hand = fit_parameters(read_cycles(path), order=2, components=1, reset_exponent=2.5, seed=3)
    np.testing.assert_array_equal(fitted.parameters.mixture_means, by_hand.mixture_means)
    assert (fitted.parameters.order, fitted.parameters.reset_exponent, fitted.assumptions) == (2, 2.5, ())
    assert told == ["fitting 12 devices of 20 cycles", "comparing the fit with the measurements"]
