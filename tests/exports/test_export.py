"""The table of cells: it is the weights, the device model and the readings of the chip that it comes from."""

import csv
import sys

import numpy as np
import pytest
import torch

import memrix
from memrix.device import CellCurrent
from memrix.errors import ConversionError, DataError, MemrixError, SettingsError, WriteError
from memrix.exports import exporting
from memrix.nn.programming import integers_of
from tests.exports.chips import PHYSICAL, WIRES, Net, X, chip_of, linear_chip, table_of, vectors

AGING = memrix.Drift.metal_oxide()


def test_digits_of_the_targets_are_the_weights(tmp_path):
    chip = chip_of()
    table = table_of(chip, tmp_path)
    assert list(table["layers"]) == ["encoder.0", "encoder.2", "decoder"]
    assert len(table["tile"]) == (2 * 9 * 4 + 8 * 5 + 5 * 4) * 2 * 3  # weights, polarities, bit slices
    for number, layer in enumerate((chip.encoder[0], chip.encoder[2], chip.decoder)):
        _, integers = integers_of(layer)
        cells = {name: values[table["layer"] == number] for name, values in table.items() if name != "layers"}
        place = cells["group"], cells["input"], cells["output"]
        np.testing.assert_array_equal(cells["weight"], integers.numpy()[place])
        held = np.zeros(integers.shape)
        np.add.at(held, place, cells["target"] * cells["polarity"] * 2.0 ** cells["bit_slice"])
        np.testing.assert_array_equal(held, integers.numpy())


def test_a_cell_lies_in_one_place_of_one_tile(tmp_path):
    chip = chip_of()
    table = table_of(chip, tmp_path)
    tiles = [layer.tiles for layer in memrix.summary(chip).layers]
    assert [table["tile"][table["layer"] == number].max() + 1 for number in range(3)] == tiles
    assert table["row"].max() == 3
    assert table["column"].max() == 2
    places = np.stack([table[name] for name in ("layer", "tile", "row", "column", "polarity")])
    assert np.unique(places, axis=1).shape == places.shape
    # Inputs 0 to 8 of a matrix of the convolution lie on three rows of tiles, its outputs 0 to 3 on two columns.
    second = (table["layer"] == 0) & (table["group"] == 1) & (table["input"] == 4) & (table["output"] == 3)
    assert set(table["tile"][second & (table["bit_slice"] == 2)]) == {((2 * 2 + 1) * 3 + 1) * 2 + 1}


def test_the_conductance_is_the_current_at_the_read_voltage(tmp_path):
    chip = linear_chip(PHYSICAL)
    table = table_of(chip, tmp_path)
    parameters = PHYSICAL.parameters
    volts = parameters.read_voltage
    current = CellCurrent(parameters).of(table["state"].astype(float), volts)
    np.testing.assert_allclose(table["conductance"], current / volts, rtol=1e-5, atol=1e-10)
    assert table["conductance"][table["target"] == 1].mean() > 5 * table["conductance"][table["target"] == 0].mean()


@pytest.mark.parametrize(
    "changes", [{}, {"device.off_activation_energy": 0.1, "device.temperature": 360.0}], ids=["300 K", "360 K"]
)
def test_columns_add_up_to_what_the_chip_reads(changes, tmp_path):
    """At full input, which is the read voltage here."""
    hardware = PHYSICAL.replace(**{"dac.vmax": PHYSICAL.parameters.read_voltage}, **changes)
    chip = linear_chip(hardware)
    table = table_of(chip, tmp_path)
    crossbar = chip[0].memrix.programmed.crossbar
    codes = torch.full((1, 1, 8), float(hardware.dac.largest_code))
    readings = crossbar.readings(codes)[0, :, 0].numpy()  # [row tiles, planes, outputs]
    currents = np.zeros_like(readings, dtype=float)
    place = table["input"] // 4, table["bit_slice"], table["output"]
    np.add.at(currents, place, table["polarity"] * table["conductance"] * hardware.dac.vmax)
    gain = crossbar.circuit.gain(crossbar.cell_parameters, crossbar.nominal_states)
    np.testing.assert_allclose(currents, readings / gain, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(
    "changes",
    [
        {"wires": WIRES},
        {"noise": "off"},
        {"noise": "off", "wires": WIRES},
        {"wires": WIRES, "drift": AGING},
        {"noise": "off", "drift": AGING},
    ],
    ids=["wires", "no noise", "wires, no noise", "wires, drift", "no noise, drift"],
)
def test_cells_are_told_where_the_chip_holds_only_what_readings_see(changes, tmp_path):
    expected = table_of(chip_of(PHYSICAL), tmp_path)
    table = table_of(chip_of(PHYSICAL.replace(**changes)), tmp_path)
    np.testing.assert_allclose(table["state"], expected["state"], atol=2e-7)


@pytest.mark.parametrize("wires", [memrix.Wires(), WIRES], ids=["ideal wires", "wires"])
def test_an_aged_chip_has_aged_cells(wires, tmp_path):
    fresh = chip_of(PHYSICAL.replace(drift=AGING))
    aged = memrix.age(chip_of(PHYSICAL.replace(drift=AGING, wires=wires)), seconds=1e6)
    expected = table_of(memrix.age(fresh, seconds=1e6), tmp_path)["state"]
    assert np.abs(expected - table_of(fresh, tmp_path)["state"]).max() > 1e-3
    np.testing.assert_allclose(table_of(aged, tmp_path)["state"], expected, atol=2e-7)


def test_levels_that_make_up_for_wires_are_the_targets(tmp_path):
    ramp = memrix.ResetRamp(compensate_wires=True)
    hardware = PHYSICAL.replace(programming=ramp, wires=WIRES)
    programmed_again, kept = (
        table_of(linear_chip(each), tmp_path) for each in (hardware, hardware.replace(drift=AGING))
    )
    np.testing.assert_allclose(programmed_again["state"], kept["state"], atol=2e-7)
    np.testing.assert_array_equal(programmed_again["target"], kept["target"])
    assert 0 < programmed_again["target"][programmed_again["target"] > 0.5].std() < 0.2  # digits would all be 1


@pytest.mark.parametrize("wires", [memrix.Wires(), WIRES], ids=["ideal wires", "wires"])
def test_cells_that_readings_have_switched_have_switched(wires, tmp_path):
    hardware = PHYSICAL.replace(wires=wires, **{"dac.vmax": 0.6, "device.read_disturb": True})
    chip = linear_chip(hardware, 24, 16)
    before = table_of(chip, tmp_path)["state"]
    with torch.no_grad():
        chip(4 * vectors(24))
    after = table_of(chip, tmp_path)["state"]
    layer = memrix.summary(chip).layers[0]
    switched = layer.read_sets + layer.read_resets
    assert switched > 0
    changed = np.abs(after - before) > 1e-4
    assert 0.8 * switched <= changed.sum() <= switched
    assert after[changed].mean() < before[changed].mean() - 0.3  # most are SET: they conduct more


def test_a_chip_of_a_file_has_the_same_cells(tmp_path):
    hardware = PHYSICAL.replace(wires=WIRES)
    chip = chip_of(hardware)
    memrix.save(chip, tmp_path / "chip.safetensors")
    loaded = memrix.load(tmp_path / "chip.safetensors", Net())
    expected, table = table_of(chip, tmp_path), table_of(loaded, tmp_path)
    for name, values in expected.items():
        np.testing.assert_array_equal(table[name], values)


def test_a_chip_that_was_written_again_has_its_new_cells(tmp_path):
    chip = linear_chip(PHYSICAL.replace(wires=WIRES))
    before = table_of(chip, tmp_path)
    with torch.no_grad():
        chip[0].weight.neg_()
    with pytest.raises(WriteError, match=r"written from: 0; memrix\.write"):
        memrix.export(chip, tmp_path / "cells.npz")
    memrix.write(chip)
    table = table_of(chip, tmp_path)
    np.testing.assert_array_equal(table["weight"], -before["weight"])


def test_cells_that_are_not_those_of_the_chip_are_an_error(tmp_path):
    chip = linear_chip(PHYSICAL.replace(wires=WIRES))
    chip[0].memrix.programmed.crossbar.difference.neg_()
    with pytest.raises(ConversionError, match="only what readings see"):
        memrix.export(chip, tmp_path / "cells.csv")
    assert not list(tmp_path.iterdir())


def test_multi_level_cells_have_levels(tmp_path):
    chip = linear_chip(PHYSICAL.replace(mapping="multi-level", programming="reset-ramp"))
    table = table_of(chip, tmp_path)
    np.testing.assert_allclose(table["target"] * 7, np.maximum(table["weight"] * table["polarity"], 0), rtol=1e-6)


def test_files_of_all_kinds_hold_the_same(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    chip = chip_of()
    arrays = table_of(chip, tmp_path)
    assert memrix.export(chip, tmp_path / "cells.parquet") == len(arrays["tile"])
    memrix.export(chip, str(tmp_path / "cells.CSV"))
    columns = parquet.read_table(tmp_path / "cells.parquet").to_pydict()
    with (tmp_path / "cells.CSV").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(columns) == list(rows[0])
    names = arrays["layers"][arrays["layer"]]
    assert columns.pop("layer") == [row["layer"] for row in rows] == list(names)
    for name, values in columns.items():
        np.testing.assert_array_equal(np.array(values, arrays[name].dtype), arrays[name])
        np.testing.assert_array_equal(np.array([float(row[name]) for row in rows], arrays[name].dtype), arrays[name])


def test_a_name_of_any_characters_is_one_field_of_a_csv_file(tmp_path):
    name = '100 %d, "so"'
    model = torch.nn.Sequential()
    model.add_module(name, torch.nn.Linear(6, 2))
    memrix.calibrate(model, [X], PHYSICAL)
    memrix.export(memrix.program(model, PHYSICAL), tmp_path / "cells.csv")
    with (tmp_path / "cells.csv").open(encoding="utf-8", newline="") as file:
        assert {row["layer"] for row in csv.DictReader(file)} == {name}


def test_no_row_depends_on_the_size_of_chunks(tmp_path, monkeypatch):
    chip, told = chip_of(), []
    expected = table_of(chip, tmp_path)
    monkeypatch.setattr(exporting, "_TOGETHER", 50)
    table = table_of(chip, tmp_path, progress=lambda *done: told.append(done))
    for name, values in expected.items():
        np.testing.assert_array_equal(table[name], values)
    assert told[0] == (50, 792, "encoder.0")
    assert told[-1] == (792, 792, "decoder")
    assert len(told) == 9 + 5 + 3


def test_layers_are_chosen_by_patterns(tmp_path):
    chip = chip_of()
    for layers, names in (("encoder.*", ["encoder.0", "encoder.2"]), (("decoder", "*.2"), ["encoder.2", "decoder"])):
        table = table_of(chip, tmp_path, layers=layers)
        assert list(table["layers"]) == names
        assert set(table["layer"]) == {0, 1}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("decodr", r"did you mean 'decoder'\?"),
        ("head", "'head' is digital.*encoder.0, encoder.2, decoder"),
        ("encoder", r"holds some; give 'encoder\.\*'"),
        (["decoder", "x.*"], r"'x\.\*' matches no layer on the chip"),
        ([], "a name pattern or a list"),
        (7, "got 7"),
    ],
    ids=["misspelled", "digital", "a module", "one of two", "no pattern", "a number"],
)
def test_a_pattern_of_no_layer_is_an_error(layers, message, tmp_path):
    with pytest.raises(SettingsError, match=message):
        memrix.export(chip_of(), tmp_path / "cells.csv", layers=layers)


def test_a_float_model_has_no_cells(tmp_path):
    with pytest.raises(ConversionError, match="no layer of this model runs on a chip"):
        memrix.export(Net(), tmp_path / "cells.csv")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("cells.parqet", SettingsError, r"\.parquet, \.csv, \.npz.*did you mean '\.parquet'"),
        ("cells", SettingsError, r"ends in \.parquet"),
        ("no folder/cells.csv", DataError, "cannot be written.*name another place"),
        ("folder.csv", DataError, "cannot be written"),
        ("ce\0lls.csv", DataError, "NUL"),
    ],
    ids=["misspelled", "no ending", "no folder", "a folder", "NUL"],
)
def test_a_file_that_cannot_be_written_is_an_error(name, error, message, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(error, match=message):
        memrix.export(chip_of(), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


def test_a_file_stays_as_it_was_where_writing_fails(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("before")

    def stop(*done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memrix.export(chip_of(), path, progress=stop)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_parquet_without_pyarrow_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MemrixError, match=r"pip install pyarrow.*\.csv or \.npz"):
        memrix.export(chip_of(), tmp_path / "cells.parquet")
    assert memrix.export(chip_of(), tmp_path / "cells.csv", layers="decoder") == 120


def test_exporting_leaves_the_outputs_of_a_chip_unchanged(tmp_path):
    chip, other = chip_of(PHYSICAL.replace(wires=WIRES)), chip_of(PHYSICAL.replace(wires=WIRES))
    memrix.export(chip, tmp_path / "cells.csv")
    with torch.no_grad():
        assert torch.equal(chip(X), other(X))
