"""What a device, its converters and its protocol cannot do together is told before programming."""

import dataclasses
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import memrix
from memrix.device import load_parameters, parametric_device, save_parameters
from memrix.device.parameters import SET_VOLTAGE
from memrix.errors import SettingsError
from tests.model.test_check import PHYSICAL, Net, noted


def device(folder: Path, **fields) -> str:
    """The path of a device like the measured one, with other parameters."""
    path = folder / "device.json"
    save_parameters(dataclasses.replace(load_parameters(), **fields), path)
    return str(path)


def test_a_dac_that_the_device_cannot_have(tmp_path):
    hardware = PHYSICAL.replace(**{"dac.vmax": 0.6, "device.parameters": device(tmp_path, full_reset_voltage=0.5)})
    check = memrix.check(Net(), hardware, layers="first")
    assert any("dac.vmax must not lie beyond 0.5 V" in problem for problem in check.problems)


def with_thresholds(folder: Path, feature: int, factor: float) -> str:
    """A device all of whose SET or RESET voltages are ``factor`` times as large."""
    means, factors = load_parameters().mixture_means.copy(), load_parameters().mixture_cholesky.copy()
    for row in (feature, feature + 4):
        means[:, row] *= factor
        factors[:, row] *= factor
    return device(folder, mixture_means=means, mixture_cholesky=factors)


@pytest.mark.parametrize("protocol", ["reset-set", "pre-cycled", "write-verify", "reset-ramp"])
def test_cells_that_the_pulses_do_not_switch_are_told_before_programming(protocol, tmp_path):
    hardware = PHYSICAL.replace(
        programming=protocol,
        **{"device.parameters": with_thresholds(tmp_path, SET_VOLTAGE, 8.0), "programming.set_voltage": -4.0},
    )
    net = nn.Linear(4, 3)
    memrix.calibrate(net, [torch.randn(8, 4)], hardware)
    (problem,) = memrix.check(net, hardware).problems
    # The median SET voltage is 8 * -0.67 V = -5.3 V.
    share = re.search(r"([0-9.]+)% of the cells are not SET by programming\.set_voltage = -4 V", problem)
    assert 95 < float(share[1]) < 100
    with pytest.raises(SettingsError, match="cannot be programmed so"):
        memrix.program(net, hardware)


def test_a_device_that_needs_more_than_two_volts_gets_them(tmp_path):
    hardware = PHYSICAL.replace(**{"device.parameters": with_thresholds(tmp_path, SET_VOLTAGE, 2.5)})
    net = nn.Linear(4, 3)
    memrix.calibrate(net, [torch.randn(8, 4)], hardware)
    assert memrix.check(net, hardware).ok
    memrix.program(net, hardware)
    weak = hardware.replace(**{"programming.set_voltage": -2.0})
    assert any("are not SET by programming.set_voltage = -2 V" in p for p in memrix.check(net, weak).problems)


def test_a_few_cells_that_do_not_switch_are_worth_a_note():
    hardware = PHYSICAL.replace(**{"programming.set_voltage": -1.1})
    check = memrix.check(nn.Linear(4, 3), hardware)
    assert check.ok
    assert noted(check, "of the cells are not SET by programming.set_voltage = -1.1 V")


def test_a_ramp_that_ends_before_cells_begin_to_reset_is_a_problem_in_check_and_program(tmp_path):
    path = tmp_path / "device.json"
    save_parameters(parametric_device(5e3, 1e5, 0.1, 0.1, reset_voltage=3.0, full_reset_voltage=4.0), path)
    hardware = PHYSICAL.replace(programming="reset-ramp", **{"device.parameters": str(path)})
    layer = nn.Linear(4, 3)
    problems = memrix.check(layer, hardware).problems
    assert any(
        "programming.stop = 1.45 V, below the RESET voltage of 100.00% of the cells" in each for each in problems
    )
    memrix.calibrate(layer, [torch.ones(8, 4)], hardware)
    with pytest.raises(SettingsError, match=r"raise programming\.stop"):
        memrix.program(layer, hardware)
    assert memrix.check(layer, hardware.replace(**{"programming.stop": 3.9})).ok


def test_a_ramp_beyond_the_reset_of_a_device_is_a_problem(tmp_path):
    hardware = PHYSICAL.replace(
        programming="reset-ramp", **{"device.parameters": device(tmp_path, full_reset_voltage=1.2)}
    )
    check = memrix.check(nn.Linear(4, 3), hardware)
    assert any("programming.stop must lie below 1.2 V" in problem for problem in check.problems)


def test_programming_that_takes_long_is_told():
    hardware = PHYSICAL.replace(programming="pre-cycled", **{"programming.cycles": 1000})
    # 15,002 pulses per cell, 1000 * 1000 weights of 3 planes and 2 polarities
    check = memrix.check(nn.Linear(1000, 1000), hardware)
    assert noted(check, "takes up to 15,002 pulses per cell, 90,012,000,000 in total")
    assert not noted(memrix.check(nn.Linear(10, 10), hardware), "pulses a cell")
