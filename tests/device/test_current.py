import numpy as np
import pytest
import synaptogen.synaptogen as reference

from memrix.device import CellCurrent, load_parameters

STATES = np.array([0.0, 0.16, 0.5, 0.84, 0.9])
VOLTAGES = np.linspace(-0.6, 0.6, 41)[:, None]


@pytest.fixture
def current() -> CellCurrent:
    return CellCurrent(load_parameters())


def test_current_is_that_of_the_numpy_package(current):
    expected = reference.Imix(STATES, VOLTAGES, reference.default_params.HHRS, reference.default_params.LLRS)
    np.testing.assert_allclose(current.of(STATES, VOLTAGES), expected, rtol=1e-5, atol=1e-12)


def test_physical_noise_of_a_nominal_on_cell_at_full_voltage(current):
    # 4 kT B / U = 2.76e-12 A and 2 e B = 3.20e-11 A, times the current of the cell
    offset, slope = current.noise_variance(np.array([0.6]), "physical", 300.0, 1e8)
    variance = offset + 0.16 * slope
    expected = (2.761e-12 + 3.204e-11) * current.of(np.array(0.16), np.array([0.6]))
    np.testing.assert_allclose(variance, expected, rtol=1e-3)


def test_noise_at_zero_volt_is_thermal_and_finite(current):
    offset, _ = current.noise_variance(np.array([0.0]), "physical", 300.0, 1e8)
    zero_volt_conductance = reference.default_params.LLRS[-2]
    np.testing.assert_allclose(offset, 4 * 1.380649e-23 * 300 * 1e8 * zero_volt_conductance, rtol=1e-6)


def test_legacy_noise_is_forty_times_the_physical_one(current):
    voltage = np.array([0.6])
    physical, _ = current.noise_variance(voltage, "physical", 300.0, 1e8)
    legacy, _ = current.noise_variance(voltage, "legacy", 300.0, 1e8)
    assert np.sqrt(legacy / physical).item() == pytest.approx(40, abs=1)


def test_noise_off_is_zero(current):
    offset, slope = current.noise_variance(VOLTAGES, "off", 300.0, 1e8)
    assert not offset.any()
    assert not slope.any()


@pytest.mark.parametrize("voltage", [-0.6, -0.1, 0.1, 0.6])
def test_variance_is_affine_in_the_state_with_the_sign_of_the_voltage(current, voltage):
    # 4 kT B |I / U| + 2 e B |I| of the numpy package, for a cell that conducts along its voltage
    cell = abs(reference.Imix(0.84, voltage, reference.default_params.HHRS, reference.default_params.LLRS))
    expected = 4 * 1.380649e-23 * 300 * 1e8 * cell / abs(voltage) + 2 * 1.602176634e-19 * 1e8 * cell
    offset, slope = current.noise_variance(np.array([voltage]), "physical", 300.0, 1e8)
    np.testing.assert_allclose(offset + 0.84 * slope, expected, rtol=1e-4)
