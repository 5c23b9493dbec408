import dataclasses

import numpy as np
import pytest

from memrix.device import DeviceParameters, load_parameters, pulse_voltages, switching_shares
from memrix.device.parameters import RESET_VOLTAGE, SET_VOLTAGE
from memrix.errors import SettingsError

PARAMETERS = load_parameters()


def altered(**fields) -> DeviceParameters:
    return dataclasses.replace(PARAMETERS, source="altered", **fields)


def with_thresholds(feature: int, factor: float) -> DeviceParameters:
    """Every SET or RESET voltage is ``factor`` times as large: offset and scale of the feature of all devices."""
    means, factors = PARAMETERS.mixture_means.copy(), PARAMETERS.mixture_cholesky.copy()
    for row in (feature, feature + 4):
        means[:, row] *= factor
        factors[:, row] *= factor
    return altered(mixture_means=means, mixture_cholesky=factors)


def test_the_measured_device_is_programmed_with_two_volts():
    assert pulse_voltages(PARAMETERS) == (-2.0, 2.0)
    assert min(switching_shares(PARAMETERS)) > 0.999


def test_pulses_follow_the_thresholds_of_a_device():
    # 4/3 of 2.5 V is 3.33 V
    assert pulse_voltages(altered(full_reset_voltage=2.5)) == (-3.4, 3.4)
    stubborn = pulse_voltages(with_thresholds(SET_VOLTAGE, 2.0))
    assert stubborn.set == -stubborn.reset < -2.5
    assert switching_shares(with_thresholds(SET_VOLTAGE, 2.0)).set > 0.998


def test_no_pulse_lies_beyond_what_the_model_knows():
    beyond = with_thresholds(SET_VOLTAGE, 8.0)
    assert pulse_voltages(beyond) == (-5.0, 5.0)
    assert switching_shares(beyond).set < 0.5


def test_shares_are_those_of_the_thresholds():
    # The median SET voltage of the measured device is -0.67 V, its median RESET voltage 0.73 V.
    assert switching_shares(PARAMETERS, set_voltage=-0.67).set == pytest.approx(0.5, abs=0.03)
    low = altered(full_reset_voltage=0.7)
    assert switching_shares(low, reset_voltage=0.73).reset == pytest.approx(0.5, abs=0.03)


def test_a_reset_below_the_voltage_of_a_complete_one_resets_no_cell_fully():
    assert switching_shares(PARAMETERS, reset_voltage=1.45).reset == 0.0
    assert switching_shares(PARAMETERS, reset_voltage=1.46).reset > 0.999


def test_larger_reset_thresholds_are_noticed():
    assert switching_shares(with_thresholds(RESET_VOLTAGE, 4.0), -2.0, 2.0).reset < 0.05


@pytest.mark.parametrize("volts", [10.0, -5.1, float("nan"), float("inf"), 1j, "2", True, 10**400, None.__class__])
def test_voltages_without_meaning_are_refused(volts):
    with pytest.raises(SettingsError, match=r"set_voltage must be a number from -5 to 5 V"):
        switching_shares(PARAMETERS, set_voltage=volts)


def test_numpy_numbers_are_numbers():
    given = switching_shares(PARAMETERS, np.float32(-2), np.int64(2))
    assert given == switching_shares(PARAMETERS, -2.0, 2.0)
