import inspect

import pytest

import memrix.errors
from memrix.errors import MemrixError, SettingsError


@pytest.mark.parametrize(
    ("former", "present"),
    [("HardwareError", "SettingsError"), ("DeviceError", "SettingsError"), ("NumericsError", "InputError")],
)
def test_a_former_error_is_the_present_one(former, present):
    with pytest.warns(DeprecationWarning, match=rf"errors\.{former} was renamed: use memrix\.errors\.{present}"):
        assert getattr(memrix.errors, former) is getattr(memrix.errors, present)


def test_a_former_error_is_caught_as_before():
    def build():
        from memrix.errors import HardwareError

        try:
            memrix.Hardware(weight_bits=0)
        except HardwareError as error:
            return error
        return None

    with pytest.warns(DeprecationWarning, match="HardwareError was renamed"):
        assert type(build()) is SettingsError


def test_errors_are_of_python_s_own_kinds_too():
    errors = [kind for _, kind in inspect.getmembers(memrix.errors, inspect.isclass) if issubclass(kind, MemrixError)]
    assert len(errors) > 8
    assert all(issubclass(kind, (ValueError, RuntimeError)) for kind in errors if kind is not MemrixError)
