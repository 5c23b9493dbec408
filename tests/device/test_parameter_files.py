import json
from importlib import resources

import numpy as np
import pytest
import synaptogen.synaptogen as reference

from memrix.device import load_parameters, save_parameters
from memrix.errors import HardwareError


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
    with pytest.raises(HardwareError, match=r"cannot be read.*'synaptogen'"):
        load_parameters("no/such/device.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [("LLRS", [float("nan")] * 7), ("LLRS", []), ("wk", [0, 0, 0]), ("HHRS", [1e-5, 1e-6]), ("U₀", float("inf"))],
)
def test_numbers_that_describe_no_device_are_refused(tmp_path, field, value):
    raw = json.loads((resources.files("synaptogen") / "default_params.json").read_text(encoding="utf-8"))
    path = tmp_path / "device.json"
    path.write_text(json.dumps({**raw, field: value}))
    with pytest.raises(HardwareError, match="not laid out like"), np.errstate(all="ignore"):
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
    with pytest.raises(HardwareError, match=r"not laid out like|not valid JSON"):
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
    with pytest.raises(HardwareError) as caught:
        load_parameters(str(path))
    for problem in (
        "η must be a number above 0, but it is missing",
        "U₀ must be a number above 0, got 'low'",
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
    with pytest.raises(HardwareError, match=problem):
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
    with pytest.raises(HardwareError, match="cannot be written"):
        save_parameters(parameters, tmp_path / "no" / "device.json")


def test_an_order_that_the_file_lacks_is_named_with_those_it_has(tmp_path):
    raw = built_in()
    path = tmp_path / "device.json"
    path.write_text(json.dumps({key: value for key, value in raw.items() if key not in ("VAR_007", "VAR_010")}))
    parameters = load_parameters(str(path))
    assert parameters.order == 9
    with pytest.raises(HardwareError, match="no autoregression of order 7; the orders are 1, 2, 3, 4, 5, 6, 8, 9"):
        parameters.autoregression(7)
