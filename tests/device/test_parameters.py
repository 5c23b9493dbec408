import json
from importlib import resources

import numpy as np
import pytest
import synaptogen.synaptogen as reference

from memrix.device import load_parameters
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
    np.testing.assert_allclose(load_parameters().autoregression, reference.default_params.VAR, rtol=1e-6)


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
    with pytest.raises(HardwareError, match="not laid out like"):
        load_parameters(str(path))
