"""The measured device, for all studies of devices."""

import pytest

from memrix.device import DeviceParameters, load_parameters


@pytest.fixture(scope="session")
def built_in() -> DeviceParameters:
    return load_parameters()
