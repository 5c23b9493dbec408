"""Currents at another temperature, against the Arrhenius law cell by cell."""

import math

import pytest
import torch

from memrix import Hardware
from memrix.crossbar.activation import Activation
from memrix.errors import SettingsError
from tests.crossbar.test_crossbar import crossbar

ENERGIES = {"device.temperature": 350.0, "device.on_activation_energy": 0.02, "device.off_activation_energy": 0.08}
IDEAL = Hardware(weight_bits=2, programming="ideal", noise="off")
PER_EV = 1.602176634e-19 / 1.380649e-23 * (1 / 350 - 1 / 300)
ONES = torch.ones(1, 64, 8, dtype=torch.int64)


def test_on_and_off_cells_follow_their_energies():
    on, off, silent = 0.16, 0.84, 0.889
    offset, factor = Activation(0.02, 0.08, 350.0).seen((on, off), silent)
    for state, energy in ((on, 0.02), (off, 0.08)):
        conductance = silent - (offset + factor * state)
        assert conductance == pytest.approx((silent - state) * math.exp(-energy * PER_EV))


def test_a_chip_reads_the_window_at_its_temperature():
    codes = torch.zeros(1, 64, 64, dtype=torch.int16)
    codes[0, range(64), range(64)] = 128
    cold, hot = (crossbar(hardware, ONES).readings(codes) for hardware in (IDEAL, IDEAL.replace(**ENERGIES)))
    on, off = IDEAL.technology.nominal_states
    silent = IDEAL.parameters.silent_state
    window = math.exp(-0.02 * PER_EV) * (silent - on) - math.exp(-0.08 * PER_EV) * (silent - off)
    torch.testing.assert_close(hot, cold * (window / (off - on)), rtol=1e-5, atol=1e-6)


def test_noise_is_that_of_the_currents_at_the_temperature():
    noisy = IDEAL.replace(noise="physical", **ENERGIES)
    same = noisy.replace(**{"device.on_activation_energy": 0.0, "device.off_activation_energy": 0.0})
    on, off = noisy.technology.nominal_states
    silent = noisy.parameters.silent_state
    hot, cold = (each.circuit.tables(noisy.parameters, (on, off)).double() for each in (noisy, same))
    for state, energy in ((on, 0.02), (off, 0.08)):
        pair = hot[1] * 2 * state + hot[2]
        moved = silent - math.exp(-energy * PER_EV) * (silent - state)
        torch.testing.assert_close(pair, cold[1] * 2 * moved + cold[2], rtol=1e-4, atol=1e-12)


def test_at_the_temperature_of_the_measurement_and_without_energies_nothing_changes():
    for change in ({"device.on_activation_energy": 0.1}, {"device.temperature": 400.0}):
        hardware = Hardware(weight_bits=2, noise="off")
        states = IDEAL.technology.nominal_states
        expected, found = (
            each.circuit.tables(hardware.parameters, states) for each in (hardware, hardware.replace(**change))
        )
        assert torch.equal(found, expected)


def test_energies_that_cannot_be_are_refused():
    with pytest.raises(SettingsError, match=r"device\.on_activation_energy must be a number from -1 to 1 eV, got 2"):
        Hardware().replace(**{"device.on_activation_energy": 2.0})
    hardware = IDEAL.replace(**{"device.temperature": 500.0, "device.off_activation_energy": 0.5})
    with pytest.raises(SettingsError, match="let ON cells conduct no more than OFF cells at 500 K"):
        crossbar(hardware, ONES)
