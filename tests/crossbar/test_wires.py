"""The ladder formula with sneak paths against the nodal solution, of linear cells and of true ones."""

import numpy as np
import pytest
import torch

from memrix._support import compilation
from memrix.crossbar.ladder import ladder_voltages
from memrix.crossbar.nodal import NodalArray
from memrix.crossbar.wires import Wires, apart, interleave
from memrix.device import CellCurrent, load_parameters

SIZE = 128
ON, OFF = 228e-6, 20e-6  # S, cells of the default device at 0.6 V
BOUNDS = {0.1: 1e-3, 0.35: 5e-3, 1.0: 2e-2}  # ohm a cell, relative error of differential outputs


def ternary(share, seed=0):
    """Positive and negative cells of random ternary weights, in S, float64."""
    generator = np.random.default_rng(seed)
    weights = generator.choice([-1, 0, 1], p=[share / 2, 1 - share, share / 2], size=(SIZE, SIZE))
    return tuple(torch.from_numpy(np.where(weights == sign, ON, OFF)) for sign in (1, -1))


def nodal_difference(positive, negative, wires, volts):
    """Differential currents of the exact solution."""
    if wires.arrays == "interleaved":
        rows, columns = positive.shape
        both = NodalArray(rows, 2 * columns, wires).currents(interleave(positive, negative).numpy(), volts)
        return both[:, 0::2] - both[:, 1::2]
    array = NodalArray(*positive.shape, wires)
    return array.currents(positive.numpy(), volts) - array.currents(negative.numpy(), volts)


def effective(positive, negative, wires, *, sneak=True):
    """Effective conductances of both polarities by the ladder formula, and along sneak paths."""

    def of(cells):
        return wires.effective(cells) if sneak else cells * torch.mul(*wires.shares(cells))

    if wires.arrays == "interleaved":
        return apart(of(interleave(positive, negative)))
    return of(positive), of(negative)


def error_of_formula(cells, wires, *, sneak=True):
    """Relative error of the differential outputs of random inputs."""
    volts = np.random.default_rng(1).uniform(-0.6, 0.6, (256, len(cells[0])))
    plus, minus = effective(*cells, wires, sneak=sneak)
    exact = nodal_difference(*cells, wires, volts)
    return np.linalg.norm(volts @ (plus - minus).numpy() - exact) / np.linalg.norm(exact)


@pytest.mark.slow
@pytest.mark.parametrize("drive", ["one-side", "both-sides"])
@pytest.mark.parametrize("arrays", ["separate", "interleaved"])
@pytest.mark.parametrize("share", [0.9, 2 / 3, 0.2], ids=["full", "dense", "sparse"])
@pytest.mark.parametrize("ohms", BOUNDS)
def test_the_formula_is_the_nodal_solution(ohms, share, arrays, drive):
    wires = Wires(ohms_per_cell=ohms, arrays=arrays, drive=drive)
    assert error_of_formula(ternary(share), wires) <= BOUNDS[ohms]


@pytest.mark.parametrize("drive", ["one-side", "both-sides"])
@pytest.mark.parametrize("arrays", ["separate", "interleaved"])
def test_small_arrays_are_the_nodal_solution(arrays, drive):
    positive, negative = ternary(2 / 3)
    cells, wires = (positive[:40, :40], negative[:40, :40]), Wires(ohms_per_cell=2.0, arrays=arrays, drive=drive)
    assert error_of_formula(cells, wires) <= 3e-3
    assert error_of_formula(cells, wires) < 0.6 * error_of_formula(cells, wires, sneak=False)


def test_a_current_pushes_the_only_bit_line_up_and_comes_back():
    """One cell of 100 ohm behind lines of 10 and 25 ohm: its ladders, and the next term of the series, by hand."""
    cell, word, bit = 1 / 100, 10.0, 25.0
    voltage, current = 1 / (1 + word * cell), 1 / (1 + bit * cell)
    again = (bit * current * cell) * (word * voltage * cell)  # of the drop at the cell, what comes back to it
    wires = Wires(driver_ohms=word, sense_ohms=bit)
    (got,) = wires.effective(torch.full((1, 1), cell, dtype=torch.float64))
    np.testing.assert_allclose(got, cell * voltage * current * (1 + again), rtol=1e-12)


def test_no_cell_and_no_resistance_leave_no_sneak_path():
    nothing, cells = torch.zeros(4, 3), torch.full((4, 3), ON)
    assert torch.equal(Wires(ohms_per_cell=1.0).effective(nothing), nothing)
    assert torch.equal(Wires().effective(cells), cells)
    assert torch.equal(Wires(bit_line_ohms=1.0).sneak(cells, cells, cells), nothing)


def test_true_cells_differ_little_from_linear_ones():
    """Currents of states are not proportional to each other over the voltage: a tenth of what the wires take."""
    parameters = load_parameters()
    current = CellCurrent(parameters)
    low, high = parameters.low_resistance_conductance, parameters.high_resistance_conductance
    cells = np.where(np.random.default_rng(0).random((24, 24)) < 0.5, ON, OFF)
    states = (low - cells) / (low - high)

    def curve(voltages):
        above, below = (current.of(states, voltages + shift) for shift in (1e-5, -1e-5))
        return current.of(states, voltages), (above - below) / 2e-5

    wires, volts = Wires(ohms_per_cell=2.0), np.random.default_rng(1).uniform(-0.4, 0.4, (3, 24))
    ideal = np.stack([curve(np.broadcast_to(vector[:, None], cells.shape))[0].sum(0) for vector in volts])
    exact = NodalArray(24, 24, wires).currents_of(curve, volts)
    voltages, currents = wires.shares(torch.from_numpy(cells))
    silent = low / (low - high)
    seen = silent - (voltages * currents).numpy() * (silent - states)
    formula = np.stack([current.of(seen, np.broadcast_to(v[:, None], cells.shape)).sum(0) for v in volts])
    lost = np.linalg.norm(ideal - exact)
    assert lost > 0.05 * np.linalg.norm(exact)
    assert np.linalg.norm(formula - exact) < 0.1 * lost


def test_voltages_fall_as_along_a_chain_of_resistances():
    """Two cells of 10 and 20 ohm behind 1 ohm each, by hand; float32 is as good as float64."""
    cells = torch.tensor([1 / 10, 1 / 20])
    first = 1 - 1 / (1 + 1 / (1 / 10 + 1 / (1 + 20)))
    voltages = ladder_voltages(cells, end_ohms=1.0, cell_ohms=1.0)
    torch.testing.assert_close(voltages, torch.tensor([first, first * 20 / 21]))
    many = torch.rand(5, 1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2e-4
    exact = ladder_voltages(many, end_ohms=0.2, cell_ohms=0.1, both_ends=True)
    rounded = ladder_voltages(many.float(), end_ohms=0.2, cell_ohms=0.1, both_ends=True)
    torch.testing.assert_close(rounded.double(), exact, rtol=1e-4, atol=0)
    assert exact.min() < 0.5 < exact[:, 0].min()


@pytest.mark.skipif(not compilation.AVAILABLE, reason="numba is not there")
@pytest.mark.parametrize("both_ends", [False, True])
@pytest.mark.parametrize("shape", [(37,), (20, 30), (2, 3, 20, 30), (1, 40)])
def test_compiled_loops_give_the_bits_of_tensor_operations(shape, both_ends, monkeypatch):
    cells = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2e-4
    ohms = {"end_ohms": 20.0, "cell_ohms": 3.0, "both_ends": both_ends}
    lines = [cells, cells.mT] if cells.dim() > 1 else [cells]
    compiled = [ladder_voltages(line, **ohms) for line in lines]
    monkeypatch.setattr(compilation, "AVAILABLE", False)
    assert all(torch.equal(got, ladder_voltages(line, **ohms)) for got, line in zip(compiled, lines, strict=True))


def test_no_resistance_lets_everything_through():
    cells = torch.rand(3, 7)
    assert torch.equal(ladder_voltages(cells, end_ohms=0.0, cell_ohms=0.0), torch.ones(3, 7))
