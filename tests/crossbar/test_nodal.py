"""Kirchhoff's laws by hand, and against a dense solution that knows nothing of the other."""

import importlib.util
import sys
from unittest.mock import MagicMock

import numpy as np
import pytest

from memrix.crossbar.nodal import NodalArray
from memrix.crossbar.wires import Wires
from memrix.errors import InputError, SettingsError

rng = np.random.default_rng


def test_one_cell_is_a_chain_of_resistances():
    wires = Wires(word_line_ohms=2.0, bit_line_ohms=3.0, driver_ohms=5.0, sense_ohms=7.0)
    (current,) = NodalArray(1, 1, wires).currents([[1 / 100]], [[0.4]])
    np.testing.assert_allclose(current, 0.4 / (100 + 2 + 3 + 5 + 7), rtol=1e-12)


def test_a_second_driver_halves_what_leads_to_the_only_cell():
    wires = Wires(word_line_ohms=2.0, driver_ohms=4.0, drive="both-sides")
    (current,) = NodalArray(1, 1, wires).currents([[1 / 100]], [[0.4]])
    np.testing.assert_allclose(current, 0.4 / (100 + 6 / 2), rtol=1e-12)


def test_a_row_of_two_cells_is_solved_by_hand():
    """Word line: driver, 1 ohm, cell of 10 ohm, 1 ohm, cell of 20 ohm; perfect bit lines."""
    first = 1 / (1 + 1 / (1 / 10 + 1 / (1 + 20)))  # current of the driver at 1 V
    voltage = 1 - first
    expected = [voltage / 10, voltage / (1 + 20)]
    (currents,) = NodalArray(1, 2, Wires(word_line_ohms=1.0)).currents([[1 / 10, 1 / 20]], [[1.0]])
    np.testing.assert_allclose(currents, expected, rtol=1e-12)


def dense(cells, volts, wires):
    """A dense system of all nodes, written down node by node."""
    rows, columns = cells.shape
    count = 2 * rows * columns
    matrix, right = np.zeros((count, count)), np.zeros(count)

    def connect(node, other, conductance):
        matrix[node, node] += conductance
        if other is not None:
            matrix[node, other] -= conductance

    for i in range(rows):
        for j in range(columns):
            word, bit = i * columns + j, rows * columns + i * columns + j
            connect(word, bit, cells[i, j])
            connect(bit, word, cells[i, j])
            for near, exists in ((word - 1, j > 0), (word + 1, j < columns - 1)):
                if exists:
                    connect(word, near, 1 / wires.word_line_ohms)
            for near, exists in ((bit - columns, i > 0), (bit + columns, i < rows - 1)):
                if exists:
                    connect(bit, near, 1 / wires.bit_line_ohms)
            driven = (j == 0) + (j == columns - 1 and wires.drive == "both-sides")
            into = driven / (wires.driver_ohms + wires.word_line_ohms)
            connect(word, None, into)
            right[word] += into * volts[i]
            if i == 0:
                connect(bit, None, 1 / (wires.sense_ohms + wires.bit_line_ohms))
    voltages = np.linalg.solve(matrix, right)
    return voltages[rows * columns :][:columns] / (wires.sense_ohms + wires.bit_line_ohms)


@pytest.mark.parametrize("drive", ["one-side", "both-sides"])
@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (4, 7)])
def test_arrays_agree_with_a_dense_solution(shape, drive):
    wires = Wires(word_line_ohms=1.5, bit_line_ohms=0.7, driver_ohms=3.0, sense_ohms=2.0, drive=drive)
    cells, volts = rng(0).uniform(1e-5, 3e-4, shape), rng(1).uniform(-0.6, 0.6, (3, shape[0]))
    cells[0, 0] = 0.0  # no cell
    expected = [dense(cells, vector, wires) for vector in volts]
    np.testing.assert_allclose(NodalArray(*shape, wires).currents(cells, volts), expected, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"sense_ohms": 9.0},
        {"driver_ohms": 9.0},
        {"bit_line_ohms": 2.0},
        {"word_line_ohms": 2.0, "sense_ohms": 1.0},
    ],
    ids=str,
)
def test_what_has_no_resistance_is_the_limit_of_a_small_one(given):
    cells, volts = rng(0).uniform(1e-5, 3e-4, (6, 5)), rng(1).uniform(-0.6, 0.6, (2, 6))
    small = {"ohms_per_cell": 1e-6, "driver_ohms": 1e-6, "sense_ohms": 1e-6, **given}
    exact, near = (NodalArray(6, 5, Wires(**ohms)).currents(cells, volts) for ohms in (given, small))
    np.testing.assert_allclose(exact, near, rtol=1e-6, atol=1e-12)
    if not given:
        np.testing.assert_allclose(exact, volts @ cells, rtol=1e-12)


def test_linear_cells_are_the_same_for_newton():
    cells, volts = rng(0).uniform(1e-5, 3e-4, (6, 5)), rng(1).uniform(-0.6, 0.6, (2, 6))
    array = NodalArray(6, 5, Wires(ohms_per_cell=2.0))
    np.testing.assert_allclose(
        array.currents_of(lambda across: (cells * across, cells), volts), array.currents(cells, volts), rtol=1e-9
    )


def test_a_curved_cell_balances_with_its_resistance():
    """``I = G (U + 2 U**3)`` behind 500 ohm at 0.6 V: the root of a cubic."""
    conductance, ohms, volts = 1e-3, 500.0, 0.6
    roots = np.roots([2 * conductance, 0, conductance + 1 / ohms, -volts / ohms])
    (across,) = roots[np.abs(roots.imag) < 1e-12].real

    def curve(voltages):
        return conductance * (voltages + 2 * voltages**3), conductance * (1 + 6 * voltages**2)

    (current,) = NodalArray(1, 1, Wires(driver_ohms=ohms)).currents_of(curve, [[volts]])
    np.testing.assert_allclose(current, (volts - across) / ohms, rtol=1e-10)


def test_wires_that_conduct_far_better_than_cells_balance_as_far_as_numbers_do():
    def curve(voltages):
        return 1e-4 * (voltages + voltages**3), 1e-4 * (1 + 3 * voltages**2)

    volts = np.array([[0.4, -0.2, 0.3]])
    (currents,) = NodalArray(3, 2, Wires(ohms_per_cell=1e-5)).currents_of(curve, volts)
    np.testing.assert_allclose(currents, np.full(2, 1e-4 * (volts + volts**3).sum()), rtol=1e-6)


def arrays_of_32():
    generator = rng(0)
    cells = np.where(generator.random((32, 32)) < 0.5, 228e-6, 20e-6)
    return cells, generator.uniform(-0.6, 0.6, (5, 32))


def test_32_rows_and_columns_agree_with_a_dense_solution():
    wires = Wires(word_line_ohms=0.35, bit_line_ohms=2.0)
    cells, volts = arrays_of_32()
    expected = dense(cells, volts[0], wires)
    np.testing.assert_allclose(NodalArray(32, 32, wires).currents(cells, volts[:1])[0], expected, rtol=1e-9, atol=0)


def test_badcrossbar_gives_the_same_currents(monkeypatch):
    """Another solver: ``pip install --no-deps badcrossbar pathvalidate sigfig``."""
    if importlib.util.find_spec("cairo") is None:
        monkeypatch.setitem(sys.modules, "cairo", MagicMock())  # for its charts alone, and needs a C library
    badcrossbar = pytest.importorskip("badcrossbar", reason="badcrossbar is not installed")
    cells, volts = arrays_of_32()
    theirs = badcrossbar.compute(volts.T, 1 / cells, r_i_word_line=0.35, r_i_bit_line=2.0).currents.output
    # Its outputs lie below the last row, where ours lie above the first.
    wires = Wires(word_line_ohms=0.35, bit_line_ohms=2.0)
    ours = NodalArray(32, 32, wires).currents(cells[::-1], volts[:, ::-1])
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=0)


def test_cells_without_a_balance_are_an_error():
    def curve(voltages):
        return 1e-3 * np.sign(voltages - 0.3), np.full_like(voltages, 1e-9)

    with pytest.raises(InputError, match="did not balance after 50 steps"):
        NodalArray(1, 1, Wires(driver_ohms=500.0)).currents_of(curve, [[0.6]])


@pytest.mark.parametrize(
    ("cells", "volts", "said"),
    [
        (np.ones((2, 2)), np.ones((1, 3)), r"the shape \[3, 2\] of the array, got \[2, 2\]"),
        (np.ones((3, 2)), np.ones(3), r"\[n, 3\], one for each driver, got \[3\]"),
        (np.full((3, 2), np.nan), np.ones((1, 3)), "conductances must be finite"),
        (-np.ones((3, 2)), np.ones((1, 3)), "not below 0 S"),
        (np.ones((3, 2)), np.full((1, 3), np.inf), "volts must be finite"),
    ],
)
def test_what_is_no_array_is_refused(cells, volts, said):
    with pytest.raises(InputError, match=said):
        NodalArray(3, 2, Wires(ohms_per_cell=1.0)).currents(cells, volts)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"word_line_ohms": -1.0}, "wires.word_line_ohms"),
        ({"sense_ohms": float("nan")}, "wires.sense_ohms"),
        ({"ohms_per_cell": float("inf")}, "wires.ohms_per_cell"),
        ({"driver_ohms": None}, "wires.driver_ohms"),
        ({"arrays": "mixed"}, "wires.arrays"),
        ({"drive": "three-sides"}, "wires.drive"),
    ],
)
def test_wires_are_validated(given, said):
    with pytest.raises(SettingsError, match=said):
        Wires(**given)


def test_ohms_per_cell_are_those_of_both_lines():
    wires = Wires(ohms_per_cell=0.35)
    assert (wires.word_line, wires.bit_line) == (0.35, 0.35)
    assert Wires(ohms_per_cell=0.35, bit_line_ohms=0.0).bit_line == 0.0
    assert Wires().ideal
    assert not Wires(sense_ohms=1.0).ideal
