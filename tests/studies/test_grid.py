"""Settings of sweeps: all combinations, or listed ones; what is wrong is told before anything runs."""

from __future__ import annotations

import pytest

from memrix import ADC, Hardware, SettingsError, WriteVerify
from memrix.studies.grid import chips_of, described

HARDWARE = Hardware.preset("physical")


def settings_of(settings, hardware=HARDWARE):
    return [each for each, _ in chips_of(settings, hardware)]


def test_all_combinations_in_the_order_given():
    found = chips_of({"weight_bits": [2, 3], "adc.range_bits": [4, 6]}, HARDWARE)
    assert [tuple(each.values()) for each, _ in found] == [(2, 4), (2, 6), (3, 4), (3, 6)]
    assert all((chip.weight_bits, chip.adc.range_bits) == tuple(each.values()) for each, chip in found)


def test_listed_settings_keep_those_of_the_hardware():
    found = settings_of([{"weight_bits": 2}, {"adc.range_bits": 6}])
    assert [tuple(each.values()) for each in found] == [(2, HARDWARE.adc.range_bits), (HARDWARE.weight_bits, 6)]


def test_no_setting_is_one_chip():
    assert chips_of({}, HARDWARE) == [({}, HARDWARE)]


def test_all_chips_of_a_mapping_are_changed():
    hardware = {"*": HARDWARE, "head": None, "body": HARDWARE.replace(noise="off")}
    ((_, chips),) = chips_of({"weight_bits": [2]}, hardware)
    assert (chips["*"].weight_bits, chips["head"], chips["body"].noise) == (2, None, "off")


def test_a_protocol_is_described_by_what_differs():
    assert described({"programming": WriteVerify(rounds=3)}) == "programming=write-verify(rounds=3)"
    assert described({"adc": ADC()}) == "adc=ADC"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"wieght_bits": [2]}, "did you mean 'weight_bits'"),
        ({"range_bits": [2]}, "did you mean 'adc.range_bits'"),
        ({"adc.rnge_bits": [2]}, "did you mean 'range_bits'"),
        ({3: [2]}, "no setting 3"),
        ({"chips": [2]}, "chips=5"),
        ({"weight_bits": [2, 77]}, "weight_bits=77: weight_bits must be an integer from 2"),
        ({"weight_bits": 2}, r"a list of values, got 2; for a single one: \{'weight_bits': \[2\]\}"),
        ({"programming": "ideal"}, "a list of values, got 'ideal'"),
        ({"weight_bits": []}, "has no value"),
        ({"weight_bits": [2, 3, 2]}, "given twice: weight_bits=2"),
        ({"adc": [ADC()], "adc.range_bits": [2]}, "the first holds the second"),
        ({"mapping": ["multi-level"], "weight_bits": [2, 3]}, "weight_bits=2, mapping=multi-level|multi-level"),
        ([{"weight_bits": 2}, 3], "one table for each chip"),
        ([], "table of lists"),
        ("weight_bits", "table of lists"),
    ],
)
def test_what_is_wrong_is_told(settings, message):
    with pytest.raises(SettingsError, match=message):
        chips_of(settings, HARDWARE)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(SettingsError, match=r"(?s)'wieght_bits'.*'adc.range_bits'"):
        chips_of({"wieght_bits": [2], "range_bits": [3]}, HARDWARE)
    with pytest.raises(SettingsError, match=r"(?s)weight_bits=77.*weight_bits=99"):
        chips_of({"weight_bits": [77, 99]}, HARDWARE)
