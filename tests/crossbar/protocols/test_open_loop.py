import dataclasses

import pytest
import torch
from scipy.stats import ks_2samp

from memrix import Hardware
from memrix._support.streams import Stream
from memrix.crossbar import Ideal, PreCycled, ResetSet
from memrix.device import Cells, DeviceParameters, load_parameters
from memrix.errors import SettingsError
from tests.crossbar.protocols.populations import PARAMETERS, program

CELLS = 100_000


def test_gain_of_reset_set_is_that_of_the_paper():
    hardware = Hardware.preset("paper")
    gain = hardware.circuit.gain(PARAMETERS, hardware.programming.nominal_states(PARAMETERS))
    assert gain == pytest.approx(8020, rel=0.015)


def test_nominal_states():
    on, off = ResetSet().nominal_states(PARAMETERS)
    assert on == pytest.approx(0.16, abs=0.005)
    assert off == pytest.approx(0.84, abs=0.005)


def test_shortcut_for_fresh_arrays_has_the_cells_pulses_and_energy_of_the_whole_simulation():
    on = torch.arange(CELLS) % 4 == 0
    short = program(ResetSet(), on)
    cells = Cells(CELLS, seed=3)
    cells.apply_voltage(2.0)
    cells.apply_voltage(-2.0, where=on)
    for chosen in (on, ~on):
        assert ks_2samp(short.states[chosen].numpy(), cells.r[chosen].numpy()).pvalue > 0.001
    assert short.report.pulses == cells.pulses == CELLS * 5 // 4
    assert short.report.energy == pytest.approx(cells.energy, rel=0.005)
    assert short.report.cells == CELLS


def test_ideal_cells_have_no_spread():
    targets = torch.tensor([[True, False], [False, True]])
    on, off = Ideal().nominal_states(PARAMETERS)
    torch.testing.assert_close(program(Ideal(), targets).states, torch.tensor([[on, off], [off, on]]))


def test_ideal_cells_reach_any_level():
    on, off = Ideal().nominal_states(PARAMETERS)
    states = program(Ideal(), torch.tensor([0.0, 0.25, 1.0])).states
    torch.testing.assert_close(states, torch.tensor([off, off + (on - off) / 4, on]))


@pytest.mark.parametrize("protocol", [ResetSet(), PreCycled(1), Ideal()])
def test_shape_is_kept_and_nothing_is_a_valid_number_of_cells(protocol):
    assert program(protocol, torch.zeros(3, 5, dtype=torch.bool)).states.shape == (3, 5)
    nothing = program(protocol, torch.zeros(0, dtype=torch.bool))
    assert nothing.states.shape == (0,)
    assert nothing.report.pulses == 0


@pytest.mark.parametrize("cycles", [-1, 1.5, "two"])
def test_wear_is_counted_in_whole_cycles(cycles):
    with pytest.raises(SettingsError, match=r"programming\.cycles must be an integer"):
        PreCycled(cycles)


@pytest.mark.parametrize("protocol", [ResetSet, PreCycled])
def test_pulse_width_must_be_positive(protocol):
    with pytest.raises(SettingsError, match=r"programming\.pulse_width must be a number from 1e-10 to 1 s"):
        protocol(pulse_width=0)


def altered(**fields) -> DeviceParameters:
    return dataclasses.replace(load_parameters(), source="altered", **fields)


def test_devices_that_do_not_differ_have_cells_all_the_same():
    """Without a spread from device to device, an OFF cell still varies from cycle to cycle."""
    alike = altered(mixture_cholesky=load_parameters().mixture_cholesky * 0)
    off = torch.zeros(20_000, dtype=torch.bool)
    streams = {name: Stream.of(0, name) for name in ("chip", "programming")}
    fresh = ResetSet().program(off, alike, **streams).states
    simulated = PreCycled(0).program(off, alike, **streams).states
    assert ks_2samp(fresh, simulated).pvalue > 0.01
    assert 0 < fresh.std() < ResetSet().program(off, load_parameters(), **streams).states.std()
