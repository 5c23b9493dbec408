"""Rounds of pulses and ramps in one piece of machine code against pulse by pulse and ramp by ramp in tensors."""

import pytest
import torch

from memrix._support import compilation
from memrix.device import Cells, ReadBack
from memrix.device.ramp_rounds import RampRounds

CELLS = 5000
CIRCUIT = ReadBack(voltage=0.2, bits=10, bandwidth=1e8, unit=4.2e-5)
VOLTS = tuple(0.5 + 0.01 * number for number in range(95))
WANTED = torch.linspace(0.1, 0.9, CELLS)


def after_rounds(set_voltage, reset_voltage, rounds, tolerance):
    cells = Cells(CELLS, seed=3)
    loop = RampRounds(VOLTS, CIRCUIT, set_voltage, reset_voltage, rounds, tolerance)
    return cells, loop.run(cells, WANTED + 0.01, WANTED)


@pytest.mark.parametrize("tolerance", [0.003, 0.02])
@pytest.mark.parametrize("rounds", [1, 2, 6])
@pytest.mark.parametrize(
    ("set_voltage", "reset_voltage"), [(-2.0, 2.0), (-0.9, 1.1), (-2.0, 1.5)], ids=["complete", "weak", "at 1.5 V"]
)
def test_rounds_are_as_pulse_by_pulse(set_voltage, reset_voltage, rounds, tolerance, monkeypatch):
    """Down to the bits of all that the cells' future depends on, and counts."""
    cells, failed = after_rounds(set_voltage, reset_voltage, rounds, tolerance)
    monkeypatch.setattr(compilation, "AVAILABLE", False)
    expected, expected_failed = after_rounds(set_voltage, reset_voltage, rounds, tolerance)
    assert failed == expected_failed
    assert (int(cells.cycles.max()) > 1) == (rounds > 1), "some are ramped again"
    assert cells.pulses == expected.pulses
    assert cells.energy == pytest.approx(expected.energy, rel=1e-12)
    state, expected_state = cells.state_dict(), expected.state_dict()
    for name in state:
        assert torch.equal(state[name], expected_state[name]), name
