import numpy as np
import pytest

from memrix.device.fitting import Cycles, read_cycles, simulate_cycles
from memrix.errors import DataError

CURVE = np.array([[-0.2, -5e-5], [0.2, 5e-5]])


def cycles(features: np.ndarray, low_curve: np.ndarray = CURVE) -> Cycles:
    return Cycles(tuple(f"d{i}" for i in range(len(features))), features, low_curve, CURVE)


def test_a_saved_file_is_laid_out_as_documented(tmp_path):
    features = np.array([[[4.0, -0.7, 4500.0, 0.75], [5.0, -0.65, 4600.0, 0.7]]])
    cycles(features).save(tmp_path / "sweeps.csv")
    assert (tmp_path / "sweeps.csv").read_text().splitlines() == [
        "device,cycle,R_HRS,U_set,R_LRS,U_reset,curve,U,I",
        "d0,1,10000.0,-0.7,4500.0,0.75,,,",
        "d0,2,100000.0,-0.65,4600.0,0.7,,,",
        ",,,,,,LRS,-0.2,-5e-05",
        ",,,,,,LRS,0.2,5e-05",
        ",,,,,,HRS,-0.2,-5e-05",
        ",,,,,,HRS,0.2,5e-05",
    ]


def test_cycles_survive_the_round_trip_through_a_file(built_in, tmp_path):
    before = simulate_cycles(built_in, devices=7, cycles=30)
    before.save(tmp_path / "sweeps.csv")
    after = read_cycles(tmp_path / "sweeps.csv")
    assert after.devices == before.devices
    np.testing.assert_allclose(after.features, before.features, rtol=1e-14)
    np.testing.assert_array_equal(after.low_curve, before.low_curve)
    np.testing.assert_array_equal(after.high_curve, before.high_curve)


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.*cannot be written.*name another place"):
        cycles(np.ones((1, 2, 4))).save(tmp_path / "nowhere" / "sweeps.csv")


def test_everything_wrong_with_the_arrays_is_listed():
    with pytest.raises(DataError) as raised:
        cycles(np.full((1, 2, 3), np.nan), np.ones(3))
    assert str(raised.value).splitlines()[1:] == [
        "  features must be [devices, cycles, 4] with 1 devices, got (1, 2, 3)",
        "  low_curve must be [points, 2], voltage and current, got (3,)",
        "  features holds numbers that are not finite",
    ]
