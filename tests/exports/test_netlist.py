"""The netlist of a tile: its circuit is the one that memrix solves, by a solver of its own here and by ngspice."""

import re
import shutil
import subprocess

import numpy as np
import pytest
import torch

import memrix
from memrix.crossbar.nodal import NodalArray
from memrix.device import CellCurrent
from memrix.errors import ConversionError, DataError, InputError, SettingsError
from tests.exports.chips import PHYSICAL, WIRES, Net, chip_of, linear_chip, table_of, vectors

needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")

CIRCUITS = {
    "separate": WIRES,
    "interleaved": memrix.Wires(ohms_per_cell=1.5, driver_ohms=3.0, sense_ohms=2.0, arrays="interleaved"),
    "both sides": memrix.Wires(ohms_per_cell=1.5, driver_ohms=3.0, drive="both-sides"),
    "interleaved, both sides": memrix.Wires(word_line_ohms=4.0, arrays="interleaved", drive="both-sides"),
    "bit lines alone": memrix.Wires(bit_line_ohms=4.0),
    "drivers and amplifiers alone": memrix.Wires(driver_ohms=20.0, sense_ohms=10.0),
    "perfect": memrix.Wires(),
}
circuits = pytest.mark.parametrize("wires", CIRCUITS.values(), ids=CIRCUITS)


def chip_behind(wires, inputs=4, outputs=3):
    """One bit slice on one tile."""
    return linear_chip(
        PHYSICAL.replace(weight_bits=2, wires=wires, tile=memrix.Tile(inputs, outputs)), inputs, outputs
    )


def volts_of(chip, vector):
    state = chip[0].memrix
    codes = state.chip.dac.codes(vector, state.activation_step).long()
    return state.chip.dac.voltages(CellCurrent(state.chip.parameters))[codes.numpy() + state.chip.dac.largest_code]


def exact(chip, table, volts, *, linear, tile=0, rows=None):
    """Currents of positive and of negative bit lines ``[2, columns]`` by Kirchhoff's laws, of the exported cells."""
    rows = range(table["row"].max() + 1) if rows is None else rows
    here = (table["tile"] == tile) & np.isin(table["row"], rows)
    values = np.zeros((2, len(rows), table["column"][here].max() + 1))
    place = (table["polarity"][here] < 0).astype(int), table["row"][here] - rows[0], table["column"][here]
    values[place] = table["conductance" if linear else "state"][here]
    wires, parameters = chip[0].memrix.chip.wires, chip[0].memrix.chip.parameters
    if wires.arrays == "interleaved":
        values = values.transpose(1, 2, 0).reshape(1, len(rows), -1)
    array = NodalArray(*values.shape[1:], wires.beyond(rows[0]))
    if linear:
        currents = np.stack([array.currents(cells, volts[None])[0] for cells in values])
    else:
        cell = CellCurrent(parameters)
        steep = [np.polyder(each) for each in (parameters.low_resistance, cell.difference)]

        def curve(states):
            return lambda u: (cell.of(states, u), np.polyval(steep[0], u) + states * np.polyval(steep[1], u))

        currents = np.stack([array.currents_of(curve(states), volts[None])[0] for states in values])
    return currents if len(currents) == 2 else currents.reshape(-1, 2).T


def solved(text):
    """Currents at the sense amplifiers of a netlist of resistors and voltage sources, ``[2, columns]``."""
    parts = [line.split() for line in text.splitlines() if line[0] in "RV"]
    known = {"0": 0.0} | {one: float(last) for name, one, _, *_, last in parts if name[0] == "V"}
    nodes = sorted({node for _, one, other, *_ in parts for node in (one, other)}, key=lambda node: node in known)
    number, unknown = {node: k for k, node in enumerate(nodes)}, len(nodes) - len(known)
    matrix = np.zeros((len(nodes), len(nodes)))
    for _, one, other, value in (part for part in parts if part[0][0] == "R"):
        i, j = number[one], number[other]
        matrix[[i, j, i, j], [i, j, j, i]] += np.array([1, 1, -1, -1]) / float(value)
    volts = np.array([known.get(node, 0.0) for node in nodes])
    volts[:unknown] = np.linalg.solve(matrix[:unknown, :unknown], -matrix[:unknown, unknown:] @ volts[unknown:])
    columns = sum(bool(re.match(r"Vp\d", name)) for name, *_ in parts)
    return np.array([[-matrix[number[f"s{sign}{k}"]] @ volts for k in range(columns)] for sign in "pn"])


def test_the_netlist_of_one_cell_is_read_at_a_glance(tmp_path):
    hardware = PHYSICAL.replace(weight_bits=2, noise="off", programming="ideal", wires=WIRES)
    chip = linear_chip(hardware, 1, 1)
    memrix.netlist(chip, "0", tmp_path / "cell.cir", cells="linear", volts=[0.25])
    on, off = PHYSICAL.replace(programming="ideal").technology.nominal_states
    low, high = (PHYSICAL.parameters.low_resistance_conductance, PHYSICAL.parameters.high_resistance_conductance)
    ohms = [1 / (low - state * (low - high)) for state in ((on, off) if chip[0].weight > 0 else (off, on))]
    lines = [line for line in (tmp_path / "cell.cir").read_text().splitlines() if line[0] not in "*"]
    found = [re.sub(r"^(R0_.0 .* )(\S+)$", lambda m: m[1] + f"{float(m[2]):.4g}", line) for line in lines]
    assert found == [
        ".options reltol=1e-9 abstol=1e-17 vntol=1e-13",
        "Vin0 in0 0 DC 0.25",
        "Vp0 sp0 0 DC 0",
        "Vn0 sn0 0 DC 0",
        "Rdp0 in0 w0_p0 4.5",
        "Rsp0 b0_p0 sp0 3.5",
        f"R0_p0 w0_p0 b0_p0 {ohms[0]:.4g}",
        "Rdn0 in0 w0_n0 4.5",
        "Rsn0 b0_n0 sn0 3.5",
        f"R0_n0 w0_n0 b0_n0 {ohms[1]:.4g}",
        ".op",
        ".save i(Vp0)",
        ".save i(Vn0)",
        ".end",
    ]


@circuits
def test_linear_cells_behind_wires_are_the_exact_circuit(wires, tmp_path):
    chip, vector = chip_behind(wires), vectors(4)[3]
    memrix.netlist(chip, "0", tmp_path / "tile.cir", inputs=vector, cells="linear")
    table, volts = table_of(chip, tmp_path), volts_of(chip, vector)
    currents = exact(chip, table, volts, linear=True)
    np.testing.assert_allclose(solved((tmp_path / "tile.cir").read_text()), currents, rtol=1e-6, atol=1e-13)


def test_a_tile_of_many_is_the_one_of_its_number(tmp_path):
    """Two bit slices of 8 x 5 weights on tiles of 4 x 3: the last one has inputs 4 to 7 and outputs 3 and 4."""
    chip = linear_chip(PHYSICAL.replace(weight_bits=3, wires=WIRES))
    vector = vectors(8)[0]
    table, volts = table_of(chip, tmp_path), volts_of(chip, vector)
    for tile in (1, 7):
        memrix.netlist(chip, "0", tmp_path / "tile.cir", tile=tile, inputs=vector, cells="linear")
        text = (tmp_path / "tile.cir").read_text()
        half = slice(4, 8) if tile == 7 else slice(0, 4)
        currents = exact(chip, table, volts[half], linear=True, tile=tile)
        np.testing.assert_allclose(solved(text), currents, rtol=1e-6, atol=1e-13)
    assert "* bit slice 1, matrix 0, inputs 4 to 7, outputs 3 to 4\n" in text


def test_a_part_of_the_rows_lies_behind_the_bit_lines_of_those_before_it(tmp_path):
    wires = memrix.Wires(ohms_per_cell=1.5, sense_ohms=2.0, rows_at_once=2)
    chip, volts = chip_behind(wires), np.array([0.3, -0.1])
    memrix.netlist(chip, "0", tmp_path / "tile.cir", volts=volts, cells="linear", part=1)
    currents = exact(chip, table_of(chip, tmp_path), volts, linear=True, rows=range(2, 4))
    np.testing.assert_allclose(solved((tmp_path / "tile.cir").read_text()), currents, rtol=1e-6, atol=1e-13)
    with pytest.raises(SettingsError, match="part must be an integer from 0 to 1"):
        memrix.netlist(chip, "0", tmp_path / "tile.cir", part=2)


def test_without_a_vector_all_word_lines_are_at_full_voltage(tmp_path):
    memrix.netlist(chip_behind(WIRES), "0", tmp_path / "tile.cir")
    assert re.findall(r"(?m)^Vin\d in\d 0 DC (.*)$", (tmp_path / "tile.cir").read_text()) == ["0.4"] * 4


def test_a_convolution_is_driven_by_a_window_of_its_matrix(tmp_path):
    chip = chip_of()
    windows = torch.linspace(-1, 1, 18).reshape(2, 9)
    memrix.netlist(chip, "encoder.0", tmp_path / "tile.cir", tile=3 * 2, inputs=windows)
    layer = chip.encoder[0].memrix
    codes = layer.chip.dac.codes(windows, layer.activation_step)[1, :4].double()
    found = re.findall(r"(?m)^Vin\d in\d 0 DC (.*)$", (tmp_path / "tile.cir").read_text())
    np.testing.assert_allclose([float(volt) for volt in found], codes / 128 * 0.4, rtol=1e-9)


def currents_of_ngspice(path):
    """Currents at the sense amplifiers, ``[2, columns]``."""
    raw = path.with_suffix(".raw")
    run = subprocess.run(["ngspice", "-b", "-r", str(raw), str(path)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    head, _, body = raw.read_bytes().partition(b"Binary:\n")
    names = [line.split()[1] for line in head.decode().partition("Variables:\n")[2].splitlines()]
    found = dict(zip(names, np.frombuffer(body, np.float64), strict=True))
    return np.array([[found[f"i(v{sign}{k})"] for k in range(len(found) // 2)] for sign in "pn"])


@pytest.mark.slow
@needs_ngspice
@pytest.mark.parametrize("cells", ["linear", "polynomial"])
@circuits
def test_ngspice_gives_the_currents_of_the_exact_solution(wires, cells, tmp_path):
    """To 1e-6 of the largest: a netlist has nine digits of a state, a table seven of a conductance (float32)."""
    chip, vector = chip_behind(wires, 8, 6), vectors(8)[1]
    memrix.netlist(chip, "0", tmp_path / "tile.cir", inputs=vector, cells=cells)
    found = currents_of_ngspice(tmp_path / "tile.cir")
    expected = exact(chip, table_of(chip, tmp_path), volts_of(chip, vector), linear=cells == "linear")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.slow
@needs_ngspice
@pytest.mark.parametrize("arrays", ["separate", "interleaved"])
def test_ngspice_gives_what_the_chip_reads(arrays, tmp_path):
    """To 0.1 % of the largest difference of a pair, which the formula for wires leaves at 0.35 ohm a cell."""
    chip = chip_behind(memrix.Wires(ohms_per_cell=0.35, driver_ohms=3.0, sense_ohms=2.0, arrays=arrays), 16, 16)
    vector, crossbar = vectors(16)[0], chip[0].memrix.programmed.crossbar
    memrix.netlist(chip, "0", tmp_path / "tile.cir", inputs=vector)
    positive, negative = currents_of_ngspice(tmp_path / "tile.cir")
    codes = crossbar.circuit.dac.codes(vector.view(1, 1, -1), chip[0].memrix.activation_step)
    gain = crossbar.circuit.gain(crossbar.cell_parameters, crossbar.nominal_states)
    read = crossbar.readings(codes)[0, 0, 0, 0].numpy() / gain
    np.testing.assert_allclose(read, positive - negative, rtol=0, atol=1e-3 * np.abs(read).max())
    # Without wires it would not be: what they take is more than that.
    ideal = chip_behind(memrix.Wires(), 16, 16)[0].memrix.programmed.crossbar
    perfect = ideal.readings(codes)[0, 0, 0, 0].numpy() / gain
    assert np.abs(perfect - (positive - negative)).max() > 5e-3 * np.abs(read).max()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layer": "encodr.0"}, SettingsError, r"did you mean 'encoder\.0'"),
        ({"layer": "head"}, SettingsError, "'head' is digital"),
        ({"layer": 3}, SettingsError, "name of a layer, got 3"),
        (
            {"tile": 36},
            SettingsError,
            r"tile must be an integer from 0 to 35 \(layer 'encoder.0' has 36 tiles\), got 36",
        ),
        ({"tile": -1}, SettingsError, "got -1"),
        ({"part": 1}, SettingsError, r"0 to 0 \(the rows of tile 0 are read in 1 part\)"),
        ({"cells": "cubic"}, SettingsError, "'polynomial', 'linear', got 'cubic'"),
        ({"inputs": torch.zeros(9)}, InputError, r"numbers of shape \[2, 9\], got shape \[9\]"),
        ({"inputs": torch.full((2, 9), torch.nan)}, InputError, "finite"),
        ({"inputs": "all"}, InputError, "got 'all'"),
        ({"volts": [0.1] * 5}, InputError, r"the 4 word lines in use .* \[4\], got shape \[5\]"),
        ({"volts": [0.1, 0.1, 0.1, 2.0]}, InputError, "beyond .*1.5 V.*got 2 V"),
        ({"volts": [0.1] * 4, "inputs": torch.zeros(2, 9)}, SettingsError, "not both"),
        ({"path": "no folder/tile.cir"}, DataError, "cannot be written.*name another place"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_is_an_error(options, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        memrix.netlist(chip_of(), **{"layer": "encoder.0", "path": "tile.cir"} | options)
    assert not list(tmp_path.iterdir())


def test_a_float_model_has_no_tiles(tmp_path):
    with pytest.raises(ConversionError, match="no layer of this model runs on a chip"):
        memrix.netlist(Net(), "decoder", tmp_path / "tile.cir")


def test_bits_of_an_input_are_not_one_vector_of_voltages(tmp_path):
    hardware = PHYSICAL.replace(**{"dac.inputs": "bit-serial"})
    with pytest.raises(SettingsError, match="bit by bit; give the volts"):
        memrix.netlist(linear_chip(hardware), "0", tmp_path / "tile.cir", inputs=vectors(8)[0])


def test_a_row_of_an_embedding_is_driven_by_volts(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Embedding(4, 3))
    memrix.calibrate(model, [torch.tensor([0, 1])], PHYSICAL, layers="0")
    chip = memrix.program(model, PHYSICAL, layers="0")
    with pytest.raises(SettingsError, match=r"indices.*give volts"):
        memrix.netlist(chip, "0", tmp_path / "tile.cir", inputs=torch.zeros(4))
    memrix.netlist(chip, "0", tmp_path / "tile.cir", volts=[0.4, 0.0, 0.0, 0.0])
    assert (tmp_path / "tile.cir").read_text().count("\nX") == 4 * 3 * 2
