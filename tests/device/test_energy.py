"""The energy of pulses, against figures that a reader can check by hand."""

import numpy as np
import pytest
import torch

from memrix._support.streams import Stream
from memrix.crossbar import ResetSet
from memrix.device import CellCurrent, Cells, load_parameters
from memrix.device.voltages import power_

PARAMETERS = load_parameters()
CURRENT = CellCurrent(PARAMETERS)
WIDTH = 1e-7  # s, the default


def with_states(states: list[float]) -> Cells:
    """Cells that no pulse switches, in given states: what they take is ``U * I * width`` of these."""
    cells = Cells(len(states), seed=0)
    cells.r.copy_(torch.tensor(states))
    cells._block.set_threshold.fill_(-torch.inf)
    cells._block.reset_threshold.fill_(torch.inf)
    return cells


def test_an_on_cell_at_two_volts_carries_its_current_at_the_end_of_the_sweeps():
    # I_LL(1.5 V) = 335.5 uA and I_HH(1.5 V) = 8.7 uA: 0.84 * 335.5 + 0.16 * 8.7 = 283 uA, times 2 V and 100 ns
    cells = with_states([0.16])
    cells.apply_voltage(2.0)
    assert cells.energy == pytest.approx(2.0 * 283.2e-6 * WIDTH, rel=1e-3)
    assert cells.energy == pytest.approx(56.6e-12, rel=1e-2)


def test_reset_of_an_on_cell_takes_the_current_halfway_to_off():
    cells = Cells(20_000, seed=1)
    cells.apply_voltage(-2.0)
    on, spent = cells.r.double(), cells.energy
    cells.apply_voltage(2.0)
    halfway = (on + cells.r.double()) / 2
    expected = 2.0 * float(CURRENT.of(halfway, torch.tensor(1.5, dtype=torch.float64)).sum()) * WIDTH
    assert cells.energy - spent == pytest.approx(expected, rel=1e-5)
    # Halfway between 0.16 and 0.84 is 0.5: half of 335.5 + 8.7 uA, 34 pJ.
    assert (cells.energy - spent) / 20_000 == pytest.approx(34.4e-12, rel=0.02)


@pytest.mark.parametrize("per_cell", [False, True], ids=["one voltage", "one each"])
@pytest.mark.parametrize("volts", [-5.0, -2.0, -1.5, -0.7, -0.01, 0.01, 0.3, 1.0, 1.46, 1.6, 2.0, 5.0])
def test_no_pulse_gives_energy_back(volts, per_cell):
    for state in (0.16, 0.5, 0.84, 0.88, 0.95):
        cells = with_states([state])
        cells.apply_voltage(torch.tensor([volts]) if per_cell else volts)
        silent = state >= -CURRENT.low_resistance(volts) / CURRENT.slope(volts) if abs(volts) < 1.5 else False
        assert cells.energy >= 0
        assert cells.energy < 1e-18 if silent else cells.energy > 1e-18


def test_within_the_sweeps_the_current_is_that_of_a_reading():
    volts = np.array([-1.5, -0.3, 0.2, 1.5])
    low, slope = CURRENT.in_pulse(volts)
    np.testing.assert_array_equal(low, CURRENT.low_resistance(volts))
    np.testing.assert_array_equal(slope, CURRENT.slope(volts))
    assert CURRENT.in_pulse(3.0) == CURRENT.in_pulse(1.5)


def test_one_voltage_and_one_for_each_cell_take_the_same():
    r = torch.linspace(0.1, 0.95, 1000)
    for volts in (-2.0, 0.2, 1.7):
        one = power_(CURRENT, r.clone(), volts)
        each = power_(CURRENT, r.clone(), torch.full_like(r, volts))
        assert one == pytest.approx(each, rel=1e-5)


def test_reset_set_takes_what_its_off_cells_carry():
    """Fresh OFF cells at +2 V: 0.16 * 335.5 + 0.84 * 8.7 = 61 uA, 12.2 pJ each."""
    streams = {name: Stream.of(0, name) for name in ("chip", "programming")}
    off = ResetSet().program(torch.zeros(1000, dtype=torch.bool), PARAMETERS, **streams).report
    assert off.energy / off.pulses == pytest.approx(12.2e-12, rel=0.03)
