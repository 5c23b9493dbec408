import pytest
import torch

from memrix import Hardware
from memrix.crossbar import Ideal, ResetSet
from memrix.device import load_parameters

PARAMETERS = load_parameters()


def test_gain_of_reset_set_is_that_of_the_paper():
    hardware = Hardware.preset("paper")
    gain = hardware.circuit.gain(PARAMETERS, hardware.programming.nominal_states(PARAMETERS))
    assert gain == pytest.approx(8020, rel=0.015)


def test_nominal_states():
    on, off = ResetSet().nominal_states(PARAMETERS)
    assert on == pytest.approx(0.16, abs=0.005)
    assert off == pytest.approx(0.84, abs=0.005)


def test_ideal_cells_have_no_spread():
    targets = torch.tensor([[True, False], [False, True]])
    generator = torch.Generator()
    states = Ideal().program(targets, PARAMETERS, chip=generator, programming=generator)
    on, off = Ideal().nominal_states(PARAMETERS)
    torch.testing.assert_close(states, torch.tensor([[on, off], [off, on]]))
