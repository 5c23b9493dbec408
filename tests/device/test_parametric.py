import numpy as np
import pytest
import torch

from memrix import Hardware
from memrix.crossbar.protocols import ResetSet
from memrix.device import CellCurrent, Cells, load_parameters, parametric_device, save_parameters
from memrix.device.parameters import HRS, LRS, RESET_VOLTAGE, SET_VOLTAGE
from memrix.errors import SettingsError

CELLS = 100_000


def test_cells_have_the_resistances_and_spreads_that_were_given():
    cells = Cells(CELLS, parametric_device(10e3, 1e6, 0.06, 0.08), seed=1)
    on, off = cells.features[LRS].double(), cells.features[HRS].double()
    assert float(on.mean()) == pytest.approx(10e3, rel=0.002)
    assert float(on.std() / on.mean()) == pytest.approx(0.1, rel=0.02)
    assert float(off.median()) == pytest.approx(1e6, rel=0.002)
    assert float(off.std() / off.mean()) == pytest.approx(0.1, rel=0.02)


def test_devices_and_cycles_spread_apart_from_each_other():
    cells = Cells(CELLS, parametric_device(10e3, 1e6, 0.03, 0.09), seed=1)
    cycles = []
    for _ in range(2):
        cells.apply_voltage(-2.0)
        cells.apply_voltage(2.0)
        cycles.append(cells.features[LRS].double())
    first, second = cycles
    assert float((first - second).std() / 10e3) == pytest.approx(0.09 * 2**0.5, rel=0.02)
    assert float(torch.corrcoef(torch.stack(cycles))[0, 1]) == pytest.approx(0.1, abs=0.015)


def test_voltages_are_those_of_the_measured_device_unless_they_are_given():
    cells = Cells(CELLS, parametric_device(10e3, 1e6, 0.1, 0.1), seed=1)
    assert float(cells.features[SET_VOLTAGE].mean()) == pytest.approx(-0.67, abs=0.002)
    assert float(cells.features[RESET_VOLTAGE].mean()) == pytest.approx(0.73, abs=0.002)
    own = parametric_device(10e3, 1e6, 0.1, 0.1, set_voltage=-1.2, reset_voltage=1.4)
    assert own.full_reset_voltage == 2.8
    assert own.mixture_means[0, [1, 3]].tolist() == [-1.2, 1.4]


def test_without_spreads_all_cells_are_one():
    cells = Cells(100, parametric_device(10e3, 1e6, 0, 0, voltage_device_spread=0, voltage_cycle_spread=0), seed=1)
    assert cells.features.std(dim=1).tolist() == pytest.approx([0, 0, 0, 0], abs=1e-6)


def test_cells_are_ohmic():
    parameters = parametric_device(10e3, 1e6, 0, 0)
    current = CellCurrent(parameters)
    on, off = ResetSet().nominal_states(parameters)
    for volts in (-0.6, 0.2, 0.4):
        assert current.of(on, volts) == pytest.approx(volts / 10e3, rel=1e-5)
        assert current.of(off, volts) == pytest.approx(volts / 1e6, rel=1e-4)


def test_a_chip_is_made_of_such_cells(tmp_path):
    save_parameters(parametric_device(10e3, 1e6, 0.05, 0.05), tmp_path / "device.json")
    hardware = Hardware.preset("physical").replace(**{"device.parameters": str(tmp_path / "device.json")})
    np.testing.assert_array_equal(
        hardware.parameters.mixture_means, load_parameters(str(tmp_path / "device.json")).mixture_means
    )


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((1e6, 10e3, 0.1, 0.1), {}, "off_resistance must lie above on_resistance.*have they been interchanged"),
        ((0, 1e6, 0.1, 0.1), {}, "on_resistance must be a number from 0.001 to 1e"),
        ((1e4, float("nan"), 0.1, 0.1), {}, "off_resistance must be a number"),
        ((1e4, 1e6, -0.1, 0.1), {}, "device_spread must be a number from 0"),
        ((1e4, 1e6, 0.3, 0.3), {}, r"too large a spread.*LRS resistance \(ohm\) 42%"),
        ((1e4, 1e6, 0.1, 0.1), {"set_voltage": 0.7}, "set_voltage must be a number from -5 to -0.001 V"),
        ((1e4, 1e6, 0.1, 0.1), {"reset_voltage": 1.0, "full_reset_voltage": 0.9}, "below full_reset_voltage"),
        (
            (1e4, 1e6, 0.1, 0.1),
            {"read_voltage": 0.7},
            r"read_voltage \(0.7 V\) must lie below the switching voltages",
        ),
        ((1e4, 1e6, 0.1, 0.1), {"voltage_cycle_spread": 2}, "voltage_cycle_spread must be a number from 0 to 0.3"),
    ],
)
def test_devices_that_are_none_are_refused(arguments, options, message):
    with pytest.raises(SettingsError, match=message):
        parametric_device(*arguments, **options)
