import itertools
import json
from importlib import resources

import numpy as np
import pytest
import synaptogen.synaptogen as reference
import torch

from memrix._support.streams import Stream
from memrix.device import FreshCells, load_parameters, save_parameters
from memrix.device.parameter_files import parse_parameters
from memrix.errors import SettingsError
from tests.mutations import NASTY_TEXTS, json_text, mutations, with_duplicate


def test_extreme_conductances_are_those_of_the_numpy_package():
    parameters = load_parameters()
    assert parameters.low_resistance_conductance == pytest.approx(float(reference.default_params.G_LLRS), rel=1e-6)
    assert parameters.high_resistance_conductance == pytest.approx(-33.2e-6, rel=1e-2)


def test_mixture_is_that_of_the_numpy_package():
    parameters = load_parameters()
    factors = np.moveaxis(reference.default_params.LDtD, 2, 0)
    np.testing.assert_allclose(parameters.mixture_cholesky, factors, rtol=1e-6)
    np.testing.assert_allclose(parameters.mixture_means, reference.default_params.μDtD.T, rtol=1e-6)
    assert parameters.mixture_weights.sum() == pytest.approx(1.0, abs=1e-12)


def test_autoregression_is_of_order_ten():
    np.testing.assert_allclose(load_parameters().autoregression(), reference.default_params.VAR, rtol=1e-6)


def test_missing_file_says_what_to_give():
    with pytest.raises(SettingsError, match=r"cannot be read.*'synaptogen'"):
        load_parameters("no/such/device.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [("LLRS", [float("nan")] * 7), ("LLRS", []), ("wk", [0, 0, 0]), ("HHRS", [1e-5, 1e-6]), ("U₀", float("inf"))],
)
def test_numbers_that_describe_no_device_are_refused(tmp_path, field, value):
    raw = json.loads((resources.files("synaptogen") / "default_params.json").read_text(encoding="utf-8"))
    path = tmp_path / "device.json"
    path.write_text(json.dumps({**raw, field: value}))
    with pytest.raises(SettingsError, match="not laid out like"), np.errstate(all="ignore"):
        load_parameters(str(path))


def test_a_file_that_changed_is_read_again(tmp_path):
    raw = json.loads((resources.files("synaptogen") / "default_params.json").read_text(encoding="utf-8"))
    path = tmp_path / "device.json"
    for voltage in (0.2, 0.1):
        path.write_text(json.dumps({**raw, "U₀": voltage}))
        assert load_parameters(str(path)).read_voltage == voltage


@pytest.mark.parametrize("content", ["{", "[]", "{}", json.dumps({"VAR_010": [[1.0]]})])
def test_file_of_another_layout_is_refused(tmp_path, content):
    path = tmp_path / "device.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"not laid out like|not valid JSON"):
        load_parameters(str(path))


def built_in() -> dict:
    return json.loads((resources.files("synaptogen") / "default_params.json").read_text(encoding="utf-8"))


def test_every_problem_of_a_file_is_listed_at_once(tmp_path):
    raw = built_in()
    del raw["η"]
    raw |= {
        "U₀": "low",
        "LDtD": [[1.0, 2.0]],
        "VAR_003": raw["VAR_002"],
        "γ": [[1.0, 2.0], [3.0]],
        "HHRS": [0.0, "x"],
    }
    path = tmp_path / "device.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(SettingsError) as caught:
        load_parameters(str(path))
    for problem in (
        "η must be a number from 0.001 to 100, but it is missing",
        "U₀ must be a number from 0.001 to 100, got 'low'",
        "LDtD must be a table of 8 x 24 numbers, got 1 x 2",
        "VAR_003 must be a table of 4 x 16 numbers, got 4 x 12",
        "γ must be a table of 4 x any numbers, got",
        "HHRS must be a table of any numbers, got",
    ):
        assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"wk": [-0.1, 0.6, 0.5]}, "must not be negative"),
        ({"U₀": 2.0}, "must lie below"),
        ({"LLRS": [1.0, 0.1]}, "must end in 0"),
        ({"LDtD": (np.ones((8, 24))).tolist()}, "lower triangular"),
        ({"HHRS": [1.0, 0.0]}, "must conduct better"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(tmp_path, change, problem):
    path = tmp_path / "device.json"
    path.write_text(json.dumps({**built_in(), **change}))
    with pytest.raises(SettingsError, match=problem):
        load_parameters(str(path))


def test_saved_parameters_load_as_they_were(tmp_path):
    parameters = load_parameters()
    path = tmp_path / "device.json"
    save_parameters(parameters, path)
    again = load_parameters(str(path))
    for field in ("low_resistance", "high_resistance", "feature_polynomials", "mixture_means", "mixture_cholesky"):
        np.testing.assert_array_equal(getattr(again, field), getattr(parameters, field))
    np.testing.assert_allclose(again.mixture_weights, parameters.mixture_weights, rtol=1e-15)
    assert sorted(again.autoregressions) == list(range(1, 11))
    for order, matrix in parameters.autoregressions.items():
        np.testing.assert_array_equal(again.autoregression(order), matrix)
    with pytest.raises(SettingsError, match="cannot be written"):
        save_parameters(parameters, tmp_path / "no" / "device.json")


def test_an_order_that_the_file_lacks_is_named_with_those_it_has(tmp_path):
    raw = built_in()
    path = tmp_path / "device.json"
    path.write_text(json.dumps({key: value for key, value in raw.items() if key not in ("VAR_007", "VAR_010")}))
    parameters = load_parameters(str(path))
    assert parameters.order == 9
    with pytest.raises(SettingsError, match="no autoregression of order 7; the orders are 1, 2, 3, 4, 5, 6, 8, 9"):
        parameters.autoregression(7)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"η": True}, "η must be a number from 0.001 to 100, got True"),
        ({"Umax": 1e308}, "Umax must be a number from 0.001 to 100, got 1e+308"),
        ({"wk": [True, 0.5, 0.5]}, "wk must be a table of any numbers, got [True, 0.5, 0.5]"),
        ({"LLRS": [1e300, 0.0]}, "LLRS is empty or holds a number that is not finite, or beyond 1e+12"),
        ({"LLRS": [10**30, 0.0]}, "LLRS must be a table of any numbers"),
        ({"VAR_000": [[1.0]]}, "VAR_000: an autoregression has an order from 1 to 1000"),
        ({"VAR_99999": [[1.0]]}, "there is no field 'VAR_99999'"),
        ({"Vmax": 1.0}, "there is no field 'Vmax' (did you mean 'Umax'?)"),
        ({"μDtD": [[-1e6] * 3] * 8}, "the low resistance in ohm must be from 1 to 1e+12"),
    ],
)
def test_fields_that_mean_nothing_are_refused(change, problem):
    with pytest.raises(SettingsError) as caught:
        parse_parameters(json.dumps({**built_in(), **change}), "device.json")
    assert problem in str(caught.value)


def test_a_field_given_twice_is_refused():
    text = json.dumps(built_in(), ensure_ascii=False)
    with pytest.raises(SettingsError, match="'Umax' is given twice"):
        parse_parameters(with_duplicate(text, "Umax", "2.0"), "device.json")


@pytest.mark.parametrize("text", NASTY_TEXTS.values(), ids=NASTY_TEXTS.keys())
def test_any_text_is_refused_with_the_name_of_the_file(text):
    with pytest.raises(SettingsError, match="'mine'"):
        parse_parameters(text, "mine")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "device.json").write_text(json.dumps(built_in()), encoding="utf-8-sig")
    assert load_parameters(str(tmp_path / "device.json")).full_reset_voltage == load_parameters().full_reset_voltage


@pytest.mark.parametrize("path", ["a\0b", "a\ud800b", 5, None, b"device.json"])
def test_paths_that_no_file_can_have_are_named(path):
    for call in (load_parameters, lambda path: save_parameters(load_parameters(), path)):
        with pytest.raises(SettingsError, match="device parameters"):
            call(path)


def outcome(raw: object) -> str:
    """What reading changed parameters ends in: refused, or cells that have states."""
    try:
        parameters = parse_parameters(json_text(raw), "device.json")
        chip, cycle = Stream.of(0, "chip"), Stream.of(1, "programming")
        states = FreshCells(parameters).draw(torch.arange(64) < 32, chip=chip, programming=cycle)
    except SettingsError as error:
        return "refused" if "device.json" in str(error) else f"the file is not named: {error}"
    return "cells" if bool(states.isfinite().all()) else "states are not finite"


@pytest.mark.parametrize("every", [397, pytest.param(31, marks=pytest.mark.slow)])
def test_every_so_manieth_change_of_a_file(every):
    changes = itertools.islice(mutations(built_in()), 0, None, every)
    outcomes = {name: outcome(raw) for name, raw in changes}
    assert {name: found for name, found in outcomes.items() if found not in ("refused", "cells")} == {}
    assert "refused" in outcomes.values()
