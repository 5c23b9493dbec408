"""Hardware whose tiles differ from layer to layer."""

import copy
import pickle

import pytest
import torch
from torch import nn

import memrix

FINE = {"adc.precision_bits": 1, "adc.range_bits": 7}


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 4))


def mixed() -> memrix.Hardware:
    return memrix.Hardware(weight_bits=3, layers={"2": {"weight_bits": 5, **FINE}, "4": "digital"})


def test_a_layer_runs_on_its_own_tiles_and_others_on_those_of_the_chip(network):
    inputs = torch.randn(32, 20)
    memrix.calibrate(network, [inputs], mixed())
    chip = memrix.program(network, mixed())
    plain = memrix.Hardware(weight_bits=3)
    mapping = {"0": plain, "2": plain.replace(weight_bits=5, **FINE), "4": None}
    assert torch.equal(chip(inputs), memrix.program(network, mapping)(inputs))
    layers = {layer.name: layer for layer in memrix.summary(chip).layers}
    assert list(layers) == ["0", "2"]
    assert (layers["2"].adc, layers["2"].weight_bits) == ("1/7", 5)
    assert (layers["0"].adc, layers["0"].weight_bits) == ("4/4", 3)


def test_training_has_the_bits_of_each_layer(network):
    memrix.calibrate(network, [torch.randn(32, 20)], mixed())
    memrix.quantize(network, mixed())
    bits = [layer.weight_bits for layer in memrix.check(network, mixed()).layers]
    assert bits == [3, 5]


def test_all_patterns_that_match_apply_in_order(network):
    memrix.calibrate(network, [torch.randn(32, 20)], memrix.Hardware())
    given = memrix.Hardware(layers={"*": {"weight_bits": 6, "adc.range_bits": 7}, "2": {"weight_bits": 2}})
    chips = memrix.summary(memrix.program(network, given)).layers
    assert [(layer.weight_bits, layer.adc) for layer in chips] == [(6, "4/7"), (2, "4/7"), (6, "4/7")]
    other = memrix.Hardware(layers={"2": {"weight_bits": 2}, "*": {"weight_bits": 6, "adc.range_bits": 7}})
    assert [layer.weight_bits for layer in memrix.check(network, other).layers] == [6, 6, 6]
    assert given != other


def test_a_layer_is_digital_if_any_pattern_says_so(network):
    memrix.calibrate(network, [torch.randn(32, 20)], memrix.Hardware())
    given = memrix.Hardware(layers={"2": "digital", "*": {"weight_bits": 6}})
    assert [layer.name for layer in memrix.check(network, given).layers] == ["0", "4"]


def test_patterns_that_are_no_chip_together_are_told(network):
    memrix.calibrate(network, [torch.randn(32, 20)], memrix.Hardware())
    levels = {"programming": memrix.ResetRamp(), "mapping": "multi-level"}
    given = memrix.Hardware(layers={"*": levels, "2": {"programming": "reset-set"}})
    with pytest.raises(memrix.SettingsError, match=r"(?s)layers '\*', '2': .*needs cells at levels"):
        memrix.program(network, given)


def test_a_change_of_the_chip_leaves_what_is_said_of_layers(network):
    changed = mixed().replace(weight_bits=4, **{"adc.range_bits": 6})
    assert changed.of_layers("2") == memrix.Hardware(weight_bits=5, adc=memrix.ADC(precision_bits=1, range_bits=7))
    assert changed.of_layers("4") is None
    assert changed.of_layers() == memrix.Hardware(weight_bits=4, adc=memrix.ADC(range_bits=6))


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_a_file_holds_it(ending, tmp_path):
    hardware = mixed().replace(layers={**mixed().layers, "a.*": {"programming": memrix.ResetRamp(step=0.02)}})
    hardware.save(tmp_path / f"chip.{ending}")
    assert memrix.Hardware.load(tmp_path / f"chip.{ending}") == hardware
    assert memrix.Hardware.from_dict(hardware.to_dict()) == hardware
    assert hardware.of_layers("a.*").programming == memrix.ResetRamp(step=0.02)


def test_a_file_by_hand(tmp_path):
    path = tmp_path / "chip.toml"
    path.write_text(
        'weight_bits = 3\n[layers]\nhead = "digital"\n[layers."*.position".adc]\nprecision_bits = 1\nrange_bits = 7\n'
    )
    hardware = memrix.Hardware.load(path)
    assert dict(hardware.layers) == {"head": "digital", "*.position": FINE}
    assert '"*.position" = { adc = { precision_bits = 1, range_bits = 7 } }' in str(hardware)


def test_it_is_a_value():
    hardware = mixed()
    assert hash(hardware) == hash(mixed())
    assert (
        pickle.loads(pickle.dumps(hardware)) == copy.deepcopy(hardware) == hardware != memrix.Hardware(weight_bits=3)
    )
    with pytest.raises(TypeError):
        hardware.layers["2"] = "digital"
    hardware.layers["2"]["weight_bits"] = 8
    assert hardware == mixed()


def test_a_saved_chip_has_it(network, tmp_path):
    inputs = torch.randn(8, 20)
    memrix.calibrate(network, [inputs], mixed())
    chip = memrix.program(network, mixed())
    expected = chip(inputs)
    memrix.save(chip, tmp_path / "chip.safetensors")
    loaded = memrix.load(tmp_path / "chip.safetensors", network)
    assert memrix.summary(loaded).layers[1].adc == "1/7"
    assert loaded(inputs).shape == expected.shape


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"2": {"adc.reach_bits": 3}}, "layers '2'.*reach_bits.*did you mean"),
        ({"2": {"weight_bits": 99}}, "layers '2'.*weight_bits must be"),
        ({"2": "analog"}, "'2' must be changed settings.*'digital', got 'analog'"),
        ({"2": {}}, "must be changed settings"),
        ({"2": {"layers": {}}}, "cannot have layers of its own"),
        ({3: "digital"}, "a layer pattern must be a name"),
        ([1], "layers must be a mapping"),
        ({"2": {"mapping": "multi-level"}}, "layers '2'.*needs cells at levels"),
    ],
)
def test_what_is_no_change_of_a_chip_is_refused(layers, message):
    with pytest.raises(memrix.SettingsError, match=f"(?s){message}"):
        memrix.Hardware(layers=layers)


def test_a_pattern_that_no_layer_matches_is_told(network):
    with pytest.raises(memrix.ConversionError, match="'positoin' matches no layer"):
        memrix.calibrate(network, [torch.randn(8, 20)], memrix.Hardware(layers={"positoin": {"weight_bits": 3}}))
