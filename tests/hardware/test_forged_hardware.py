"""Hardware files that were changed: an error that names the file, or the hardware that the file describes."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from memrix import Hardware
from memrix._support.records import toml
from memrix.errors import SettingsError
from tests.forging import AS_DESCRIBED, REFUSED, fuzz
from tests.mutations import NASTY_TEXTS, json_text, mutations, places, replaced, trees

TREES = {
    name: Hardware.preset(name).replace(**changes).to_dict()
    for name, changes in {
        "tuned": {},
        "paper": {"programming": "pre-cycled", "faults.stuck_on": 0.01, "drift.seconds": 10.0},
    }.items()
}


def outcome(text: str, path) -> str:
    """What loading a file ends in; what was loaded is what is saved again."""
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        hardware = Hardware.load(path)
    except SettingsError as error:
        return REFUSED if str(path) in str(error) else f"the file is not named: {error}"
    hardware.save(path)
    return AS_DESCRIBED if Hardware.load(path) == hardware else "another one when saved"


@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_fields_with_nasty_values(tmp_path, tree, every):
    path = tmp_path / "chip.json"
    tried = list(mutations(tree))[::every]
    outcomes = {name: outcome(json_text(changed), path) for name, changed in tried}
    assert {name: found for name, found in outcomes.items() if found not in (REFUSED, AS_DESCRIBED)} == {}
    assert {REFUSED, AS_DESCRIBED} == set(outcomes.values())


@pytest.mark.parametrize("examples", [20, pytest.param(1000, marks=pytest.mark.slow)])
def test_any_tree_in_the_place_of_a_field(tmp_path, examples):
    @hypothesis.settings(fuzz, max_examples=examples)
    @hypothesis.given(st.sampled_from(list(places(TREES["tuned"]))), trees())
    def run(place, value):
        assert outcome(json_text(replaced(TREES["tuned"], place, value)), tmp_path / "chip.json") in (
            REFUSED,
            AS_DESCRIBED,
        )

    run()


@pytest.mark.parametrize("examples", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_characters_of_a_toml_file_changed(tmp_path, examples):
    text = toml(TREES["tuned"])

    @hypothesis.settings(fuzz, max_examples=examples)
    @hypothesis.given(st.integers(0, len(text) - 1), st.text(min_size=1, max_size=3))
    def run(position, written):
        changed = text[:position] + written + text[position + len(written) :]
        assert outcome(changed, tmp_path / "chip.toml") in (REFUSED, AS_DESCRIBED)

    run()


@pytest.mark.parametrize("ending", ["json", "toml"])
@pytest.mark.parametrize("text", NASTY_TEXTS.values(), ids=NASTY_TEXTS.keys())
def test_texts_that_are_no_hardware(tmp_path, text, ending):
    assert outcome(text, tmp_path / f"chip.{ending}") in (REFUSED, AS_DESCRIBED)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"adc": {"gain": 1.0, "gain": 2.0}}', r"'adc\.gain' is given twice"),
        ('{"adc": {"gain": 1.0}, "adc.gain": 2.0}', r"'adc\.gain' is given twice"),
        ('{"tile": {"rows": 1e9}}', r"tile\.rows must be an integer, got 1000000000\.0"),
        ('{"tile": {"rows": 1000000000}}', r"tile\.rows must be an integer from 1 to"),
        ('{"weight_bits": true}', "weight_bits must be a finite number, got True"),
        ('{"column_calibration": 1}', "column_calibration must be true or false, got 1"),
        ('{"device": {"temperature": NaN}}', r"device\.temperature must be a finite number, got nan"),
        ('{"dac": {"bits": ' + "9" * 5000 + "}}", r"'dac\.bits' is a number of 5000 digits"),
    ],
)
def test_what_is_wrong_is_told_with_file_setting_and_value(tmp_path, text, problem):
    path = tmp_path / "chip.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=rf"(?s)chip\.json.*{problem}"):
        Hardware.load(path)


@pytest.mark.parametrize("ending", ["json", "toml"])
def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path, ending):
    path = tmp_path / f"chip.{ending}"
    Hardware.preset("tuned").save(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert Hardware.load(path) == Hardware.preset("tuned")


@pytest.mark.parametrize("path", ["a\0b.json", "a\ud800b.json", b"chip.json", 5])
def test_paths_that_no_file_can_have_are_named(path):
    for call in (Hardware.load, Hardware.named, Hardware().save):
        with pytest.raises(SettingsError, match="the path of a file; it must"):
            call(path)


@pytest.mark.parametrize("path", ["a\0b.json", "a\ud800b.json"])
def test_device_parameters_of_a_path_that_no_file_can_have_are_refused(path):
    with pytest.raises(SettingsError, match=r"device\.parameters must"):
        Hardware().replace(**{"device.parameters": path})
