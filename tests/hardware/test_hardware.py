import json
import re
import warnings
from dataclasses import fields, is_dataclass

import pytest

from memrix import Hardware
from memrix._support.preset_names import preset_file
from memrix.crossbar import (
    ADC,
    Drift,
    Faults,
    Ideal,
    PreCycled,
    Relaxation,
    ResetRamp,
    ResetSet,
    TelegraphNoise,
    Wires,
    WriteVerify,
)
from memrix.crossbar.protocols import PROTOCOLS
from memrix.errors import SettingsError
from memrix.hardware.parts import PARTS


@pytest.mark.parametrize("preset", ["paper", "physical", "ideal"])
@pytest.mark.parametrize("ending", ["toml", "json"])
def test_presets_survive_a_file(preset, ending, tmp_path):
    hardware = Hardware.preset(preset).replace(weight_bits=5, **{"adc.range_bits": 7, "device.temperature": 350.0})
    hardware.save(tmp_path / f"chip.{ending}")
    assert Hardware.load(tmp_path / f"chip.{ending}") == hardware


def test_paper_is_the_chip_of_the_paper():
    paper = Hardware.preset("paper")
    assert (paper.tile.rows, paper.tile.columns) == (128, 128)
    assert (paper.adc.precision_bits, paper.adc.range_bits) == (4, 4)
    assert (paper.dac.bits, paper.dac.vmax, paper.dac.levels) == (8, 0.6, "equal")
    assert (paper.programming.name, paper.noise) == ("reset-set", "legacy")


def test_physical_differs_from_paper_in_voltage_noise_weight_scale_and_the_gain_of_its_dac():
    changes = {"dac.levels": "gain-corrected", "dac.vmax": 0.4}
    paper = Hardware.preset("paper").replace(noise="physical", weight_scale="per-output-channel", **changes)
    assert paper == Hardware.preset("physical") == Hardware()


def test_dotted_names_reach_inside():
    hardware = Hardware().replace(noise="off", programming="ideal", **{"adc.range_bits": 6, "adc.precision_bits": 2})
    assert hardware.adc == ADC(precision_bits=2, range_bits=6)
    assert (hardware.noise, hardware.programming) == ("off", Ideal())


def test_a_protocol_is_named_before_its_settings_are_given():
    for preset in ("paper", "tuned"):
        changes = {"programming.step": 0.005, "programming": "reset-ramp"}
        assert Hardware.preset(preset).replace(**changes).programming == ResetRamp(step=0.005)
    with pytest.raises(SettingsError, match="programming has no setting 'step'"):
        Hardware.preset("tuned").replace(programming="ideal", **{"programming.step": 0.01})


def test_a_part_and_its_setting_can_change_together():
    assert Hardware().replace(adc=ADC(8, 8), **{"adc.range_bits": 6}).adc == ADC(8, 6)


def test_a_file_may_name_a_few_settings_only(tmp_path):
    path = tmp_path / "chip.toml"
    path.write_text('weight_bits = 3\nprogramming = "ideal"\n[adc]\nrange_bits = 6\n')
    expected = Hardware(weight_bits=3, programming=Ideal(), adc=ADC(range_bits=6))
    assert Hardware.load(path) == expected


def test_unknown_preset_names_the_presets():
    with pytest.raises(
        SettingsError, match=r"'papper' \(did you mean 'paper'\?\).*ideal, paper, physical, realistic, tuned"
    ):
        Hardware.preset("papper")


def test_ternary_weights_take_as_many_cells_as_two_bits():
    ternary, two = (Hardware(weight_bits=bits).layout(1, 10, 10) for bits in (1.5, 2))
    assert ternary == two
    assert Hardware(weight_bits=4.0) == Hardware(weight_bits=4)


@pytest.mark.parametrize("bits", [1, 0, -3, 2.5, "4", True, None, 17])
def test_weight_bits_that_no_chip_can_hold_are_refused(bits):
    with pytest.raises(SettingsError, match=r"weight_bits must be an integer from 2 to 16, or 1\.5 for ternary"):
        Hardware(weight_bits=bits)


@pytest.mark.parametrize(
    "changes",
    [
        {"weigth_bits": 3},
        {"adc.range": 3},
        {"adcc.range_bits": 3},
        {"noise": "pink"},
        {"adc": 4},
        {"weight_scale": "per-row"},
        {"programming": "hope"},
        {"noise.level": 2},
        {"device.temperature": -1},
        {"tile.rows": 0},
        {"programming": Ideal},
        {"device.parameters": 5},
        {"adc": 4, "adc.range_bits": 6},
        {"programming": ResetRamp, "programming.step": 0.01},
    ],
)
def test_wrong_changes_are_refused(changes):
    with pytest.raises(SettingsError):
        Hardware().replace(**changes)


def test_every_problem_of_a_file_is_listed_at_once(tmp_path):
    path = tmp_path / "chip.json"
    settings = {"weight_bit": 3, "noise": "pink", "adc": {"range_bits": -1, "presicion_bits": 4}, "programming": "x"}
    path.write_text(json.dumps(settings))
    with pytest.raises(SettingsError) as caught:
        Hardware.load(path)
    message = str(caught.value)
    problems = (
        *("weight_bit'", "'weight_bits'", "'pink'", "adc.range_bits", "'precision_bits'"),
        "reset-set, pre-cycled",
    )
    assert all(problem in message for problem in problems)


@pytest.mark.parametrize(("name", "content"), [("a.json", "{"), ("a.toml", "= 3"), ("a.json", "[1]")])
def test_damaged_files_are_refused_by_name(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(SettingsError, match=name):
        Hardware.load(tmp_path / name)


def test_protocol_that_is_no_name():
    with pytest.raises(SettingsError, match="reset-set, pre-cycled, write-verify, reset-ramp, ideal"):
        Hardware.from_dict({"programming": {"protocol": ["ideal"]}})


def test_a_table_changes_what_it_names_of_another_chip():
    base = Hardware.preset("tuned").replace(**{"programming.rounds": 2, "adc.precision_bits": 5})
    table = {"weight_bits": 3, "adc": {"range_bits": 6}, "dac.bits": 7, "programming.step": 0.005}
    expected = base.replace(weight_bits=3, **{"adc.range_bits": 6, "dac.bits": 7, "programming.step": 0.005})
    assert Hardware.from_dict(table, base) == expected
    assert Hardware.from_dict({}, base) == base


@pytest.mark.parametrize(
    "table",
    [
        {"programming": {"protocol": "reset-ramp", "step": 0.005}},
        {"programming": "reset-ramp", "programming.step": 0.005},
        {"programming.protocol": "reset-ramp", "programming.step": 0.005},
    ],
)
@pytest.mark.parametrize("base", [None, Hardware(), Hardware(programming=ResetRamp(rounds=2))])
def test_a_protocol_that_is_named_in_a_table_has_its_own_settings(table, base):
    assert Hardware.from_dict(table, base).programming == ResetRamp(step=0.005)


def test_every_problem_of_changes_is_listed_at_once():
    table = {"weight_bits": 40, "noise": "x", "adc": {"rnage_bits": 5}, "dac.bits": 0, "drift": 3, "noise.level": 2}
    with pytest.raises(SettingsError) as caught:
        Hardware.from_dict(table, Hardware.preset("paper"))
    problems = ("weight_bits must", "got 'x'", "'adc.rnage_bits' (did", "dac.bits", "drift must be a table")
    assert all(problem in str(caught.value) for problem in problems)
    assert "replace(" not in str(caught.value)


@pytest.mark.parametrize("name", [["paper"], None, 5, {}])
@pytest.mark.parametrize("open_chip", [Hardware.preset, Hardware.named, Hardware.load, Hardware().save])
def test_what_is_no_name_is_refused(open_chip, name):
    with pytest.raises(SettingsError, match="preset"):
        open_chip(name)


def test_what_is_no_table_is_refused():
    with pytest.raises(SettingsError, match=r"must be a table of settings, got \[1\]"):
        Hardware.from_dict([1])


@pytest.mark.parametrize("ending", ["toml", "json"])
@pytest.mark.parametrize("text", ["cells \N{ROCKET}.json", 'a\\"b\n\x7f\x1f\u20ac', "\u00e9"])
def test_any_text_comes_back_from_a_file(tmp_path, ending, text):
    path = tmp_path / f"chip.{ending}"
    hardware = Hardware().replace(**{"device.parameters": text})
    hardware.save(path)
    assert Hardware.load(path) == hardware


def test_text_that_toml_cannot_hold_is_refused(tmp_path):
    hardware = Hardware().replace(**{"device.parameters": "\udc80.json"})
    with pytest.raises(SettingsError, match=r"save as \.json"):
        hardware.save(tmp_path / "chip.toml")
    assert not list(tmp_path.iterdir())


def test_missing_file_and_unknown_ending(tmp_path):
    with pytest.raises(SettingsError, match="cannot be written"):
        Hardware().save(tmp_path / "nowhere" / "chip.toml")
    with pytest.raises(SettingsError, match="cannot be read"):
        Hardware.load(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match=r"\.toml or \.json"):
        Hardware().save(tmp_path / "chip.yaml")


def test_missing_device_file_is_named_when_it_is_needed():
    with pytest.raises(SettingsError, match=r"gone\.json"):
        _ = Hardware().replace(**{"device.parameters": "gone.json"}).parameters


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_every_protocol_and_option_comes_back_from_a_file(tmp_path, ending):
    path = tmp_path / f"chip.{ending}"
    for hardware in (
        Hardware(programming=PreCycled(cycles=3)),
        Hardware(programming=WriteVerify(rounds=7, tolerance=0.02)),
        Hardware(programming=ResetRamp(step=0.005, rounds=2), mapping="multi-level"),
        Hardware(faults=Faults(stuck_on=0.01, stuck_off=0.02), drift=Drift(seconds=3600.0, exponent=0.03)),
    ):
        hardware.save(path)
        assert Hardware.load(path) == hardware


def test_dotted_names_reach_into_a_protocol():
    hardware = Hardware(programming="reset-ramp").replace(mapping="multi-level", **{"programming.step": 0.005})
    assert hardware.programming == ResetRamp(step=0.005)
    assert hardware.planes == 1


@pytest.mark.parametrize("protocol", [ResetSet(), PreCycled(), WriteVerify()])
def test_multi_level_mapping_needs_a_protocol_that_reaches_levels(protocol):
    with pytest.raises(SettingsError, match="use programming 'reset-ramp' or 'ideal', or mapping 'bit-sliced'"):
        Hardware(mapping="multi-level", programming=protocol)


def test_presets_are_files_that_anybody_can_copy(tmp_path):
    assert set(Hardware.presets()) == {"paper", "physical", "tuned", "realistic", "ideal"}
    for name in Hardware.presets():
        copied = tmp_path / f"{name}.toml"
        copied.write_text(preset_file(name).read_text())
        assert Hardware.load(copied) == Hardware.preset(name) == Hardware.named(name)
    with pytest.raises(SettingsError, match=r"no hardware preset 'tund' \(did you mean 'tuned'\?\)"):
        Hardware.named("tund")


def test_tuned_differs_from_physical_in_what_wins_accuracy_back():
    changes = {"dac.levels": "linearizing", "adc.per_layer": True}
    tuned = Hardware.preset("physical").replace(programming=ResetRamp(), column_calibration=True, **changes)
    assert Hardware.preset("tuned") == tuned


def test_realistic_differs_from_tuned_in_what_is_around_the_cells():
    changes = {
        "device.read_disturb": True,
        "programming.compensate_wires": True,
        "wires": Wires(ohms_per_cell=0.35),
        "dac.level_mismatch": 0.02,
        "adc.offset_error": 1.0,
        "adc.gain_error": 0.01,
        "adc.capacitor_mismatch": 0.01,
        "adc.noise": 0.25,
        "adc.columns_per_converter": 8,
        "relaxation": Relaxation(share=0.02),
        "telegraph": TelegraphNoise(share=0.01),
        "drift": Drift.metal_oxide(),
    }
    assert Hardware.preset("realistic") == Hardware.preset("tuned").replace(**changes)


def test_ideal_has_no_noise_and_converters_without_loss():
    changes = {"dac.levels": "linearizing", "dac.vmax": 0.6, "adc.precision_bits": 12, "adc.range_bits": 12}
    assert Hardware.preset("ideal") == Hardware().replace(programming="ideal", noise="off", **changes)


@pytest.mark.parametrize("preset", Hardware.presets())
def test_a_printed_chip_is_its_file(preset, tmp_path):
    hardware = Hardware.preset(preset).replace(weight_bits=5)
    hardware.save(tmp_path / "chip.toml")
    assert str(hardware) + "\n" == (tmp_path / "chip.toml").read_text()
    assert repr(hardware).startswith("Hardware(weight_bits=5, ")


def test_a_printed_chip_shows_every_setting_and_large_numbers_as_people_write_them():
    text = str(Hardware(programming=WriteVerify(reset_voltage=2.5, read_bandwidth=2.5e7)))
    assert "\nbandwidth = 1e8\n" in text
    assert "\nread_bandwidth = 2.5e7\n" in text
    assert "\npulse_width = 1e-07\n# set_voltage is not set\nreset_voltage = 2.5\n" in text
    shown = set(
        re.findall(r"(?m)^(?:# )?(\w+) (?:=|is not set)", text.partition("[programming]")[2].partition("[tile]")[0])
    )
    assert shown == {"protocol", *(field.name for field in fields(WriteVerify))}


@pytest.mark.parametrize("hertz", [1e6, 123456789.0, 1.5e9, 999999.5, 1.2345678901234567e9])
def test_numbers_come_back_from_toml_as_they_were(hertz, tmp_path):
    hardware = Hardware().replace(**{"device.bandwidth": hertz})
    hardware.save(tmp_path / "chip.toml")
    assert Hardware.load(tmp_path / "chip.toml").device.bandwidth == hertz


@pytest.mark.parametrize("kind", [Hardware, *filter(is_dataclass, PARTS.values()), *PROTOCOLS.values()])
def test_every_setting_is_documented_in_its_class(kind):
    described = re.findall(r"^ {8}(\w+): \S", kind.__doc__.partition("Attributes:")[2], re.MULTILINE)
    assert described == [field.name for field in fields(kind)]


def test_the_former_name_of_the_abs_max_range_still_works(tmp_path):
    with pytest.warns(DeprecationWarning, match="use weight_range='abs-max'") as warned:
        assert Hardware(weight_range="min-max") == Hardware().replace(weight_range="min-max") == Hardware()
    assert [warning.filename for warning in warned] == [__file__] * 2
    (tmp_path / "chip.toml").write_text('weight_range = "min-max"\n')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Hardware.load(tmp_path / "chip.toml") == Hardware()
