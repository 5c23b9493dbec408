"""Constants of costs: sources for all of them, and files that replace them."""

import math
from dataclasses import asdict, replace

import pytest

import memrix
from memrix import CostConstants, SettingsError
from memrix.costing import Constant
from memrix.costing.constants import units_of_constants

BUILT_IN = CostConstants.built_in()


def written(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def adc(**parts):
    table = {"value": "1.67", "unit": '"pJ"', "node": '"32 nm"', "source": '"ISAAC"'} | parts
    return "[adc_energy]\n" + "".join(f"{name} = {value}\n" for name, value in table.items() if value is not None)


def test_every_constant_has_a_unit_a_node_and_a_source():
    for name, unit in units_of_constants().items():
        constant = getattr(BUILT_IN, name)
        assert constant.unit == unit
        assert constant.node
        assert len(constant.source) > 20


@pytest.mark.parametrize(("bits", "picojoule"), [(8, 0.85), (6, 0.53), (4, 0.46)])
def test_conversions_cost_what_the_survey_says(bits, picojoule):
    assert BUILT_IN.conversion_energy(1 << bits) == pytest.approx(picojoule * 1e-12, rel=0.005)


def test_a_conversion_takes_a_cycle_for_each_bit_and_one_more():
    assert BUILT_IN.conversion_time(256) == pytest.approx(9e-9)


def test_a_product_with_its_weight_from_the_cache():
    assert BUILT_IN.product_energy == pytest.approx((0.2 + 0.1 + 1.25) * 1e-12)


def test_a_file_replaces_what_it_names(tmp_path):
    mine = CostConstants.load(written(tmp_path, adc()))
    assert mine.adc_energy.si == 1.67e-12
    assert mine.adc_energy.source == "ISAAC"
    assert mine.adc_time == BUILT_IN.adc_time


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (adc(source=None), "adc_energy has no source; it needs"),
        (adc(unit=None), "adc_energy has no unit"),
        (adc(source='" "'), "adc_energy.source must be text"),
        (adc(unit='"fJ"'), "adc_energy.unit must be 'pJ', got 'fJ'; convert the value"),
        (adc(value="nan"), "adc_energy.value must be a finite number from 0 in pJ, got nan"),
        (adc(value="inf"), "must be a finite number"),
        (adc(value="-1.0"), "must be a finite number from 0 in pJ, got -1.0"),
        (adc(value='"1"'), "must be a finite number"),
        (adc(value="true"), "must be a finite number"),
        (adc(note='"x"'), "adc_energy has no part 'note'"),
        (adc(units='"x"'), "no part 'units' (did you mean 'unit'?)"),
        (adc().replace("adc_energy", "adc_enrgy"), "there is no constant 'adc_enrgy' (did you mean 'adc_energy'?)"),
        ("adc_energy = 1.0\n", "adc_energy must be a table such as"),
        ("adc_energy = ", "is not valid"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_is_wrong(tmp_path, text, problem):
    with pytest.raises(SettingsError) as caught:
        CostConstants.load(written(tmp_path, text))
    assert problem in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_all_problems_of_a_file_are_said_at_once(tmp_path):
    text = adc(source=None, unit='"J"') + adc(value="nan").replace("adc_energy", "cell_area")
    with pytest.raises(SettingsError) as caught:
        CostConstants.load(written(tmp_path, text))
    message = str(caught.value)
    assert all(part in message for part in ("no source", "must be 'pJ'", "cell_area.value", "cell_area.unit"))


def test_tables_of_results_give_the_constants_back():
    mine = replace(BUILT_IN, adc_energy=Constant(1.67, "pJ", "32 nm", "ISAAC"))
    assert CostConstants.from_dict({name: asdict(getattr(mine, name)) for name in units_of_constants()}) == mine
    assert CostConstants.from_dict({}) == BUILT_IN
    with pytest.raises(SettingsError, match="given are invalid:\n  adc_energy has no unit"):
        CostConstants.from_dict({"adc_energy": {"value": 1.0, "node": "22 nm", "source": "me"}})
    with pytest.raises(SettingsError, match="must be tables by name, got 3"):
        CostConstants.from_dict(3)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ((math.nan, "pJ", "22 nm", "me"), "value must be a finite number from 0 in pJ, got nan"),
        ((-1.0, "pJ", "22 nm", "me"), "value must be a finite number from 0"),
        ((1.0, "kg", "22 nm", "me"), "unit must be one of V, ns, pJ, fJ, aJ, um2, got 'kg'"),
        ((1.0, ["pJ"], "22 nm", "me"), "unit must be one of"),
        ((1.0, "pJ", "", "me"), "node must be text"),
        ((1.0, "pJ", "22 nm", " "), "source must be text"),
    ],
)
def test_a_constant_made_by_hand_is_checked(given, problem):
    with pytest.raises(SettingsError) as caught:
        Constant(*given)
    assert problem in str(caught.value)


@pytest.mark.parametrize("given", [1.0, Constant(1.0, "fJ", "22 nm", "me")])
def test_a_constant_of_another_unit_does_not_replace_one(given):
    with pytest.raises(SettingsError, match="adc_energy must be a Constant in pJ"):
        replace(BUILT_IN, adc_energy=given)


def test_a_file_that_is_not_there_is_an_error():
    with pytest.raises(SettingsError, match="cannot be read"):
        CostConstants.load("nowhere.toml")
    assert math.isfinite(memrix.CostConstants.of(None).adc_energy.si)
