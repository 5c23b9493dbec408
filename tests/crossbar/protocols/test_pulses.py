import dataclasses

import numpy as np
import pytest
import torch

from memrix import Hardware
from memrix._support.streams import Stream
from memrix.crossbar import Ideal, PreCycled, ResetRamp, ResetSet, WriteVerify
from memrix.errors import SettingsError
from tests.crossbar.protocols.populations import PARAMETERS, program

PULSED = [ResetSet, PreCycled, WriteVerify, ResetRamp]


@pytest.mark.parametrize("protocol", PULSED)
def test_voltages_are_the_device_s_own_unless_they_are_given(protocol):
    """The measured device gets -2 V and +2 V: the same cells, pulses and energy as with these by name."""
    on = torch.arange(3000) % 2 == 0
    by_itself = program(protocol(), on)
    given = program(protocol(set_voltage=-2.0, reset_voltage=2.0), on)
    assert torch.equal(by_itself.states, given.states)
    assert by_itself.report == given.report


@pytest.mark.parametrize("protocol", PULSED)
def test_higher_pulses_take_more_energy(protocol):
    on = torch.arange(3000) % 2 == 0
    normal, high = (program(protocol(reset_voltage=volts), on).report for volts in (2.0, 3.0))
    assert high.energy > normal.energy


@pytest.mark.parametrize("protocol", PULSED)
@pytest.mark.parametrize(
    ("voltages", "said"),
    [
        ({"set_voltage": -0.67}, r"of the cells are not SET by programming\.set_voltage = -0\.67 V"),
        ({"reset_voltage": 1.4}, r"100\.00% of the cells are not RESET by programming\.reset_voltage = 1\.4 V"),
    ],
)
def test_pulses_that_do_not_switch_the_device_are_refused_with_the_share_of_cells(protocol, voltages, said):
    with pytest.raises(SettingsError, match=said):
        program(protocol(**voltages), torch.ones(3, dtype=torch.bool))


def test_a_device_whose_reset_needs_more_than_two_volts_is_programmed_with_more():
    tough = dataclasses.replace(PARAMETERS, full_reset_voltage=2.5)
    streams = {name: Stream.of(0, name) for name in ("chip", "programming")}
    off = torch.zeros(100, dtype=torch.bool)
    assert ResetSet().program(off, tough, **streams).report.pulses == 100
    with pytest.raises(SettingsError, match=r"complete from 2\.5 V on.*its thresholds ask for -3\.4 V and 3\.4 V"):
        ResetSet(reset_voltage=2.0).program(off, tough, **streams)


@pytest.mark.parametrize("protocol", PULSED)
@pytest.mark.parametrize("name", ["set_voltage", "reset_voltage"])
@pytest.mark.parametrize("size", [0.0, 1e20, 5.1, float("nan"), float("inf"), "2", True, 2j, torch.tensor(2.0)])
def test_voltages_beyond_meaning_are_refused(protocol, name, size):
    sign = -1 if name == "set_voltage" and not isinstance(size, (str, bool)) else 1
    with pytest.raises(SettingsError, match=rf"programming\.{name} must be a number from .* V \(the device model"):
        protocol(**{name: size if sign == 1 else -size})


def test_signs_are_not_to_be_confused():
    for voltages in ({"set_voltage": 2.0}, {"reset_voltage": -2.0}):
        with pytest.raises(SettingsError, match="programming"):
            ResetSet(**voltages)


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_voltages_survive_a_file_whether_given_or_not(ending, tmp_path):
    for voltages in ({}, {"set_voltage": -1.8}, {"set_voltage": -1.8, "reset_voltage": 2.2}):
        hardware = Hardware(programming=WriteVerify(rounds=2, **voltages))
        hardware.save(tmp_path / f"chip.{ending}")
        assert Hardware.load(tmp_path / f"chip.{ending}") == hardware


def test_descriptions_of_before_there_were_such_voltages_are_read():
    old = {"programming": {"protocol": "write-verify", "rounds": 7, "pulse_width": 1e-7}}
    assert Hardware.from_dict(old).programming == WriteVerify(rounds=7)


@pytest.mark.parametrize(
    ("protocol", "pulses"),
    [
        (ResetSet(), 2),
        (Ideal(), 0),
        (PreCycled(10), 152),
        (WriteVerify(rounds=5), 12),
        (ResetRamp(), 2 * (2 + 96)),  # 0.5 V to 1.45 V in steps of 10 mV
        (ResetRamp(step=0.02, rounds=1), 2 + 48),
    ],
)
def test_most_pulses_of_a_cell_are_known_beforehand(protocol, pulses):
    assert protocol.most_pulses == pulses
    report = program(protocol, torch.arange(500) % 2 == 0).report
    assert report.pulses <= pulses * 500


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: ResetRamp(step=1e-12), r"programming\.step must be a number from 1e-05 to 5 V"),
        (lambda: ResetRamp(step=5e-324), r"programming\.step"),
        (lambda: ResetRamp(step=1e-5), r"95,001 steps in each of 2 rounds; raise programming\.step = 1e-05 V"),
        (
            lambda: ResetRamp(rounds=100_000),
            r"9,800,000 pulses per cell, and 20,000 are the most.*programming\.rounds",
        ),
        (lambda: WriteVerify(rounds=100_000), r"200,002 pulses per cell.*programming\.rounds = 100,000 is too many"),
        (lambda: PreCycled(100_000), r"1,500,002 pulses per cell.*programming\.cycles = 100,000 is too many"),
    ],
)
def test_work_without_end_is_refused_and_says_what_to_change(make, named):
    with pytest.raises(SettingsError, match=named):
        make()


@pytest.mark.parametrize("protocol", [ResetSet(), PreCycled(1), WriteVerify()])
@pytest.mark.parametrize("targets", [torch.ones(3), torch.ones(3, dtype=torch.int64), [True], None])
def test_cells_of_two_states_have_bool_targets(protocol, targets):
    with pytest.raises(SettingsError, match=r"targets of programming are .*bool: whether a cell is to be ON"):
        program(protocol, targets)


@pytest.mark.parametrize("protocol", [ResetRamp(), Ideal()])
@pytest.mark.parametrize(
    "targets", [torch.tensor([0.5, 1.1]), torch.tensor([-0.1]), torch.tensor([torch.nan]), torch.ones(2).long(), 0.5]
)
def test_levels_lie_between_off_and_on(protocol, targets):
    with pytest.raises(SettingsError, match=r"floats from 0 \(OFF\) to 1 \(ON\)"):
        program(protocol, targets)


def test_numbers_of_numpy_are_kept_as_python_s():
    protocol = ResetRamp(step=np.float32(0.5), rounds=np.int64(3), set_voltage=np.float64(-2))
    assert protocol == ResetRamp(step=0.5, rounds=3, set_voltage=-2.0)
    assert [type(value) for value in (protocol.step, protocol.rounds, protocol.set_voltage)] == [float, int, float]
