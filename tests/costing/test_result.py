"""Costs from counts, with figures that can be checked by hand."""

import json
from dataclasses import replace

import pytest

import memrix
from memrix import Costs, SettingsError
from memrix.costing import DigitalCounts, LayerCounts
from memrix.costing.constants import units_of_constants
from memrix.costing.tables import cause_rows

# Two inputs of 3 vectors each: 4 inputs x 5 outputs, two bit slices, one tile.
LAYER = LayerCounts(
    name="encoder.first",
    kind="Linear",
    vectors=6,
    products=6 * 4 * 5,
    results=6 * 5,
    conversions=6 * 5 * 2,
    inputs_converted=6 * 4 * 2,
    power=1e-3,
    current=4e-3,
    volts=0.4,
    phases=1,
    adc_levels=256,
    dac_bits=8,
    weights=20,
    cells=80,
    places=2 * 2 * 128 * 128,
    converters=10,
    turns=1,
    word_lines=8,
)
COSTS = Costs((LAYER,), (DigitalCounts("head", "Linear", 200),), 2)


def constants(tmp_path, **values):
    """A file with some constants of other values."""
    units = units_of_constants()
    path = tmp_path / "mine.toml"
    path.write_text(
        "".join(
            f'[{name}]\nvalue = {value}\nunit = "{units[name]}"\nnode = "any"\nsource = "a test"\n'
            for name, value in values.items()
        )
    )
    return path


def test_causes_of_one_input_by_hand():
    (layer,) = COSTS.by_layer
    assert layer.array == pytest.approx(1e-3 * 10e-9 / 2)
    assert layer.drivers == 0
    assert layer.adc == pytest.approx(30 * 0.85e-12, rel=0.005)
    assert layer.dac == pytest.approx(24 * 8 * 0.0405e-12)
    # Of 60 conversions 30 are added to others; 30 results are scaled.
    assert layer.sums == pytest.approx((30 * 0.1e-12 + 30 * 3.2e-12) / 2)
    assert COSTS.by_cause["digital"] == pytest.approx(100 * 1.55e-12)
    assert COSTS.energy == pytest.approx(layer.energy + 155e-12)
    assert COSTS.energy_of_all == pytest.approx(2 * COSTS.energy)
    assert layer.energy == pytest.approx(layer.array + layer.adc + layer.dac + layer.sums)


def test_the_digital_reference_by_hand():
    reference = COSTS.reference
    assert reference["arithmetic"] == pytest.approx(60 * 0.3e-12 + 15 * 3.2e-12)
    assert reference["sram"] == pytest.approx(60 * 1.25e-12)
    assert reference["dram"] == pytest.approx(20 * 244e-12)
    assert COSTS.tops_per_watt == pytest.approx(2 * 60 / COSTS.crossbar_energy / 1e12)


def test_latency_and_area_by_hand():
    (layer,) = COSTS.by_layer
    assert layer.latency == pytest.approx(3 * (10e-9 + 9e-9))
    assert layer.cell_area == pytest.approx(65536 * 0.0232e-12)
    assert layer.converter_area == pytest.approx((10 * 1200 + 8 * 257 * 0.083) * 1e-12)


def test_shared_converters_take_turns_and_phases_repeat_all():
    shared = Costs((replace(LAYER, turns=4, converters=3, phases=8),), (), 2).by_layer[0]
    assert shared.latency == pytest.approx(3 * 8 * (10e-9 + 4 * 9e-9))
    assert shared.converter_area == pytest.approx((3 * 1200 + 8 * 257 * 0.083) * 1e-12)


def test_layers_follow_one_another_or_are_pipelined():
    two = Costs((LAYER, replace(LAYER, vectors=60)), (), 2)
    assert two.latency == pytest.approx(33 * 19e-9)
    assert two.interval == pytest.approx(30 * 19e-9)


def test_other_constants_take_the_same_counts(tmp_path):
    path = constants(tmp_path, reading_time=20, driver_supply=0.9)
    for other in (COSTS.replace(constants=path), Costs(COSTS.layers, COSTS.digital, 2, constants=str(path))):
        (layer,) = other.by_layer
        assert layer.array == pytest.approx(2 * COSTS.by_layer[0].array)
        assert layer.drivers == pytest.approx((4e-3 * 0.9 - 1e-3) * 20e-9 / 2)
        assert other.layers == COSTS.layers
    assert COSTS.replace(constants=None) == COSTS


def test_drivers_cannot_deliver_more_than_their_supply(tmp_path):
    path = constants(tmp_path, driver_supply=0.3)
    with pytest.raises(SettingsError, match=r"at least the 0.4 V that drivers of layer 'encoder.first' deliver"):
        COSTS.replace(constants=path)


def test_costs_of_no_layer_are_nothing():
    nothing = Costs((), (), 1)
    assert (nothing.energy, nothing.latency, nothing.interval, nothing.area) == (0, 0, 0, 0)
    assert "0 J" in str(nothing)


def test_the_table_by_cause_adds_up():
    rows = {name: (chip, digital) for name, chip, digital in cause_rows(COSTS)[1:]}
    assert rows["array"] == ("5 pJ", "")
    assert rows["ADC"][0] == "25.5 pJ"
    assert rows["digital sums"] == ("49.5 pJ", "")
    assert rows["arithmetic"] == ("", "66 pJ")
    assert rows["weights from SRAM"] == ("", "75 pJ")
    assert rows["layers on crossbars"] == ("87.8 pJ", "141 pJ")  # 5 + 25.5 + 7.78 + 49.5; 66 + 75
    assert rows["digital layers"] == ("155 pJ", "155 pJ")
    assert rows["all"] == ("243 pJ", "296 pJ")
    assert COSTS.to_markdown().splitlines()[-1] == "| all | 243 pJ | 296 pJ |"


def test_a_file_without_a_source_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[reading_time]\nvalue = 1\nunit = "ns"\nnode = "any"\n')
    with pytest.raises(SettingsError, match="reading_time has no source"):
        COSTS.replace(constants=path)


def test_prints_and_shows_and_exports(tmp_path):
    text = str(COSTS)
    assert "encoder.first" in text
    assert "digital layers" in text
    assert "mean over 2 inputs" in text
    assert "drivers" not in text.splitlines()[0]
    assert "<table>" in COSTS._repr_html_()
    COSTS.save(tmp_path / "costs.json")
    plain = json.loads((tmp_path / "costs.json").read_text())
    assert plain["energy"] == COSTS.energy
    assert plain["layers"][0]["array"] == COSTS.by_layer[0].array
    assert plain["constants"]["adc_energy"]["source"] == COSTS.known.adc_energy.source
    frame = COSTS.to_frame()
    assert frame["energy"].sum() == pytest.approx(COSTS.crossbar_energy)


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(memrix.DataError, match="name another place"):
        COSTS.save(tmp_path / "missing" / "costs.json")


def test_no_inputs_are_an_error():
    with pytest.raises(SettingsError, match="inputs must be an integer from 1"):
        Costs((LAYER,), (), 0)
