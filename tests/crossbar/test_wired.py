"""Pairs as seen through wires: array by array the nodal solution, and nothing where there is no cell."""

import numpy as np
import pytest
import torch
from torch import nn

import memrix
from memrix._support import compilation
from memrix._support.random import Seeds
from memrix.crossbar import CellTechnology, Drift, Faults, Ideal, Tile, Wires, program_pairs, through_wires
from memrix.crossbar.mapping import Layout
from memrix.crossbar.nodal import NodalArray
from memrix.device import load_parameters
from memrix.device.current import BOLTZMANN, ELEMENTARY_CHARGE
from memrix.errors import SettingsError

PARAMETERS = load_parameters()
LOW, HIGH = PARAMETERS.low_resistance_conductance, PARAMETERS.high_resistance_conductance
SILENT = LOW / (LOW - HIGH)
TECHNOLOGY = CellTechnology(PARAMETERS, Ideal(), Faults(), Drift())
VOLTS, KELVIN = 0.6, 300.0
# Two groups; the last tile of rows holds 6 of 10, the last of columns 3 of 4; two bit slices.
LAYOUT = Layout(groups=2, inputs=16, outputs=7, planes=2, levels=1, tile=Tile(10, 4))
INTEGERS = torch.from_numpy(np.random.default_rng(0).integers(-3, 4, (2, 16, 7)))


def programmed(layout=LAYOUT, integers=INTEGERS):
    return program_pairs(integers, layout, TECHNOLOGY, seeds=Seeds.of(0), name="layer")


def seen(pairs, wires, layout=LAYOUT):
    return through_wires(pairs, layout, TECHNOLOGY, wires, volts=VOLTS, temperature=KELVIN)


def states(pairs):
    """Positive and negative cells, float64 ``[2, groups * row tiles, rows, planes, outputs]``."""
    both = torch.stack((pairs.total + pairs.difference, pairs.total - pairs.difference)).double() / 2
    return both.unflatten(-1, (LAYOUT.planes, LAYOUT.outputs)).numpy()


@pytest.mark.parametrize("drive", ["one-side", "both-sides"])
@pytest.mark.parametrize("arrays", ["separate", "interleaved"])
def test_every_array_is_the_nodal_solution(arrays, drive):
    wires = Wires(word_line_ohms=6.0, bit_line_ohms=3.0, driver_ohms=9.0, sense_ohms=15.0, arrays=arrays, drive=drive)
    pairs = programmed()
    conductances = LOW - states(pairs) * (LOW - HIGH)
    difference = seen(pairs, wires).difference.double().unflatten(-1, (LAYOUT.planes, LAYOUT.outputs)).numpy()
    for tile in range(4):
        rows = 10 if tile % 2 == 0 else 6
        for plane in range(2):
            for columns in (slice(0, 4), slice(4, 7)):
                positive, negative = conductances[:, tile, :rows, plane, columns]
                width = positive.shape[1]
                if arrays == "interleaved":
                    cells = np.stack((positive, negative), -1).reshape(rows, -1)
                    exact = NodalArray(rows, 2 * width, wires).currents(cells, np.eye(rows))
                    expected = exact[:, 0::2] - exact[:, 1::2]
                else:
                    array = NodalArray(rows, width, wires)
                    expected = array.currents(positive, np.eye(rows)) - array.currents(negative, np.eye(rows))
                got = -difference[tile, :rows, plane, columns] * (LOW - HIGH)
                # Each array loses a percent or more, and what the formula gets wrong is much less.
                lost = np.linalg.norm(positive - negative - expected)
                assert lost > 1e-2 * np.linalg.norm(expected)
                assert np.linalg.norm(got - expected) < 0.1 * lost


@pytest.mark.skipif(not compilation.AVAILABLE, reason="numba is not there")
@pytest.mark.parametrize("drive", ["one-side", "both-sides"])
@pytest.mark.parametrize("arrays", ["separate", "interleaved"])
@pytest.mark.parametrize(
    "ohms", [{"ohms_per_cell": 2.0}, {"word_line_ohms": 2.0}, {"sense_ohms": 9.0}, {"driver_ohms": 9.0}]
)
@pytest.mark.parametrize("rows_at_once", [None, 19])
def test_compiled_loops_give_the_bits_of_tensor_operations(arrays, drive, ohms, rows_at_once, monkeypatch):
    """More word lines than are solved together, cells that conduct nothing, and a last array of other sizes."""
    layout = Layout(groups=2, inputs=60, outputs=21, planes=2, levels=1, tile=Tile(38, 9), rows_at_once=rows_at_once)
    pairs = programmed(layout, torch.from_numpy(np.random.default_rng(0).integers(-3, 4, (2, 60, 21))))
    pairs.difference[:, :3, ::5] += 0.9
    wires = Wires(**ohms, arrays=arrays, drive=drive)
    compiled = seen(pairs, wires, layout)
    monkeypatch.setattr(compilation, "AVAILABLE", False)
    expected = seen(pairs, wires, layout)
    assert torch.equal(compiled.difference, expected.difference)
    assert torch.equal(compiled.total, expected.total)
    torch.testing.assert_close(compiled.line_states, expected.line_states, rtol=1e-5, atol=0)  # sums of float64
    assert compiled.wire_share == pytest.approx(expected.wire_share, rel=1e-5)


@pytest.mark.parametrize("arrays", ["separate", "interleaved"])
def test_rows_read_a_part_at_a_time_are_the_nodal_solution(arrays):
    """Of a tile of 8 rows, 4 are driven at once, and the cells of the others carry no current."""
    layout = Layout(groups=1, inputs=14, outputs=3, planes=1, levels=1, tile=Tile(8, 3), rows_at_once=4)
    pairs = programmed(layout, torch.from_numpy(np.random.default_rng(0).integers(-1, 2, (1, 14, 3))))
    wires = Wires(ohms_per_cell=6.0, sense_ohms=9.0, arrays=arrays, rows_at_once=4)
    difference = seen(pairs, wires, layout).difference.double().numpy()
    assert (layout.tiles, layout.row_tiles, layout.conversions) == (2, 4, 12)
    for part, (rows, first) in enumerate(((4, 0), (4, 4), (4, 0), (2, 4))):
        both = (pairs.total[part] + sign * pairs.difference[part] for sign in (1, -1))
        positive, negative = (
            np.pad((LOW - states[:rows].double().numpy() / 2 * (LOW - HIGH)), ((first, 8 - first - rows), (0, 0)))
            for states in both
        )
        if arrays == "interleaved":
            cells = np.stack((positive, negative), -1).reshape(8, -1)
            exact = NodalArray(8, 6, wires).currents(cells, np.eye(8))
            expected = exact[:, 0::2] - exact[:, 1::2]
        else:
            array = NodalArray(8, 3, wires)
            expected = array.currents(positive, np.eye(8)) - array.currents(negative, np.eye(8))
        expected = expected[first : first + rows]
        got = -difference[part, :rows] * (LOW - HIGH)
        lost = np.linalg.norm((positive - negative)[first : first + rows] - expected)
        assert np.linalg.norm(got - expected) < 0.02 * lost


def test_rows_read_a_part_at_a_time_lose_less_and_are_converted_more_often():
    model, batches = network()
    hardware = WIRED.replace(**{"adc.precision_bits": 10, "adc.range_bits": 8})
    memrix.calibrate(model, batches, hardware)
    chips = [memrix.program(model, hardware.replace(**{"wires.rows_at_once": rows})) for rows in (None, 64, 16)]
    errors = [error(chip, model, batches[0]) for chip in chips]
    assert errors[2] < errors[1] < errors[0]
    shown = [memrix.summary(chip).layers[0] for chip in chips]
    # 200 inputs on tiles of 128 rows: 2 tiles, 2 + 2 parts of 64 rows, 8 + 5 of 16.
    assert [layer.conversions / shown[0].conversions for layer in shown] == [1, 4 / 2, 13 / 2]
    assert len({layer.tiles for layer in shown}) == 1
    assert shown[0].wire_share < shown[1].wire_share < shown[2].wire_share


def test_a_chip_read_a_part_at_a_time_comes_back_from_its_file(tmp_path):
    model, batches = network()
    hardware = WIRED.replace(**{"wires.rows_at_once": 32})
    memrix.calibrate(model, batches, hardware)
    chip = memrix.program(model, hardware)
    memrix.save(chip, tmp_path / "chip.safetensors")
    assert torch.equal(memrix.load(tmp_path / "chip.safetensors", model)(batches[0]), chip(batches[0]))


@pytest.mark.parametrize(
    ("rows", "said"), [(48, r"divide the 128 rows of a tile, got 48; give one of 1, 2, 4"), (0, "rows_at_once")]
)
def test_parts_that_do_not_fit_a_tile_are_refused(rows, said):
    with pytest.raises(SettingsError, match=said):
        WIRED.replace(**{"wires.rows_at_once": rows})


def test_what_holds_no_cell_stays_silent():
    pairs = seen(programmed(), Wires(ohms_per_cell=1.0))
    for tensor in (pairs.difference, pairs.total):
        assert torch.equal(tensor[1::2, 6:], torch.zeros(2, 4, 14))


def test_ideal_wires_leave_pairs_as_they_are():
    pairs = programmed()
    assert seen(pairs, Wires(arrays="interleaved", drive="both-sides")) is pairs


def test_a_share_of_the_noise_arrives():
    """One cell in each array: its voltage is divided by the word line, its noise current by the bit line."""
    layout = Layout(groups=1, inputs=1, outputs=1, planes=1, levels=1, tile=Tile())
    pairs = programmed(layout, torch.ones(1, 1, 1, dtype=torch.int64))
    wires = Wires(driver_ohms=400.0, sense_ohms=900.0)
    cells = np.array([float((pairs.total + sign * pairs.difference).item()) / 2 for sign in (1, -1)])
    conductances = LOW - cells * (LOW - HIGH)
    voltages, currents = 1 / (1 + 400 * conductances), 1 / (1 + 900 * conductances)
    thermal, shot = 4 * BOLTZMANN * KELVIN, 2 * ELEMENTARY_CHARGE * VOLTS
    variances = conductances * currents**2 * (thermal + shot * voltages) / (thermal + shot)  # over that of 1 S
    got = seen(pairs, wires, layout).total.double().item()
    np.testing.assert_allclose(2 * LOW - got * (LOW - HIGH), variances.sum(), rtol=1e-5)


def test_wires_through_which_nothing_arrives_are_refused():
    with pytest.raises(
        SettingsError, match=r"0\.\d\d% of the current .* 10 x 4 cells; give less resistance or smaller"
    ):
        seen(programmed(), Wires(ohms_per_cell=1e5))


def test_many_tiles_are_solved_as_each_is_alone(monkeypatch):
    wires = Wires(ohms_per_cell=2.0)
    monkeypatch.setattr(compilation, "AVAILABLE", False)
    together = seen(programmed(), wires)
    monkeypatch.setattr("memrix.crossbar.wired.CELLS_TOGETHER", 1)
    alone = seen(programmed(), wires)
    assert torch.equal(together.difference, alone.difference)
    assert torch.equal(together.total, alone.total)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(200, 60), nn.ReLU(), nn.Linear(60, 10)), [torch.randn(64, 200) for _ in range(8)]


def error(chip, model, x):
    with torch.no_grad():
        return float((chip(x) - model(x)).norm() / model(x).norm())


HARDWARE = memrix.Hardware.preset("physical").replace(weight_bits=4, noise="off", programming="ideal")
WIRED = HARDWARE.replace(wires=Wires(ohms_per_cell=1.0))


def test_a_chip_loses_what_its_wires_take_and_calibrated_columns_win_most_back():
    model, batches = network()
    corrected = WIRED.replace(column_calibration=True)
    memrix.calibrate(model, batches, corrected)
    errors = [error(memrix.program(model, hardware), model, batches[0]) for hardware in (HARDWARE, corrected, WIRED)]
    assert errors[0] < errors[1] < 0.6 * errors[2]


def test_a_chip_with_wires_comes_back_from_its_file(tmp_path):
    model, batches = network()
    memrix.calibrate(model, batches, WIRED)
    chip = memrix.program(model, WIRED)
    memrix.save(chip, tmp_path / "chip.safetensors")
    loaded = memrix.load(tmp_path / "chip.safetensors", model)
    assert torch.equal(loaded(batches[0]), chip(batches[0]))
    assert 0.3 < memrix.summary(loaded).layers[0].wire_share == memrix.summary(chip).layers[0].wire_share < 0.95
    assert "through wires" in str(memrix.summary(loaded))
    assert "through wires" not in str(memrix.summary(memrix.program(model, HARDWARE)))


def test_cells_drift_and_are_then_seen_through_the_wires():
    """All cells lose the same share of their conductance, and wires take less of what is left."""
    model, batches = network()
    memrix.calibrate(model, batches, WIRED)
    drift = Drift(seconds=1e6, exponent=0.05)
    ideal, fresh, old = (
        memrix.program(model, hardware)[0].memrix.programmed.crossbar.difference.norm()
        for hardware in (HARDWARE, WIRED, WIRED.replace(drift=drift))
    )
    remaining = 1e6**-0.05
    assert remaining * fresh < old < remaining * ideal


def test_wires_are_part_of_a_hardware_file(tmp_path):
    hardware = WIRED.replace(**{"wires.sense_ohms": 20, "wires.arrays": "interleaved"})
    hardware.save(tmp_path / "chip.toml")
    assert memrix.Hardware.load(tmp_path / "chip.toml") == hardware
    assert "ohms_per_cell = 1.0" in str(hardware)
