"""One set of simulated measurements and its fit, for all tests that only look at them."""

import pytest

from memrix.device import DeviceParameters, load_parameters
from memrix.device.fitting import Cycles, fit_parameters, simulate_cycles


@pytest.fixture(scope="session")
def built_in() -> DeviceParameters:
    return load_parameters()


@pytest.fixture(scope="session")
def measured(built_in) -> Cycles:
    return simulate_cycles(built_in, devices=300, cycles=300, seed=1)


@pytest.fixture(scope="session")
def fitted(measured) -> DeviceParameters:
    return fit_parameters(measured)
