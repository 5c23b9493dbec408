"""What cells are given by mistake ends in an error of memrix that says what was expected."""

import numpy as np
import pytest
import torch

from memrix.device import Cells, ReadBack, load_parameters
from memrix.errors import MemrixError, SettingsError

HUGE = pytest.param(10**5000, id="huge")  # Python makes no text of it


@pytest.mark.parametrize(
    "shape", [-1, 2.0, "12", None, (2, -3), (2, 1.5), [True], torch.zeros(2), 1 << 40, (1 << 20, 1 << 20), HUGE, 1j]
)
def test_shapes_that_are_none_are_refused(shape):
    with pytest.raises(SettingsError, match="array"):
        Cells(shape)


@pytest.mark.parametrize("shape", [np.int64(3), [np.int32(3)], torch.Size([3]), (3,), 3])
def test_shapes_may_be_any_integers(shape):
    assert Cells(shape).r.shape == (3,)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", 7.5, None.__class__, "cpu:x"])
def test_devices_that_torch_cannot_compute_on_are_refused(device):
    with pytest.raises(SettingsError, match="cells need a device that torch can compute on"):
        Cells(3, device=device)


@pytest.mark.parametrize("parameters", ["synaptogen", {}, 5, object()])
def test_parameters_must_be_parameters(parameters):
    with pytest.raises(SettingsError, match=r"as memrix\.device\.load_parameters gives them"):
        Cells(3, parameters)


@pytest.mark.parametrize("order", [0, 3.0, "10", True, [10], HUGE])
def test_an_order_must_be_one_that_the_parameters_hold(order):
    with pytest.raises(SettingsError, match="hold no autoregression of order"):
        Cells(3, order=order)


@pytest.mark.parametrize("seed", [-1, 1.0, "0", None, True, 1 << 63, HUGE, 1j])
def test_seeds_are_integers_that_torch_can_hold(seed):
    with pytest.raises(SettingsError, match="the seed of 'chip' must be an integer from 0"):
        Cells(3, seed=seed)


def test_a_numpy_seed_is_a_seed():
    assert torch.equal(Cells(5, seed=np.int64(7)).r, Cells(5, seed=7).r)


@pytest.mark.parametrize("width", [0, 1e-12, 10.0, float("nan"), "1", 1j, True])
def test_pulse_widths_without_meaning_are_refused(width):
    with pytest.raises(SettingsError, match=r"pulse_width must be a number from 1e-10 to 1 s \(the measured"):
        Cells(3, pulse_width=width)


MASKS = [
    torch.ones(4, dtype=torch.bool),
    torch.ones(3),
    torch.ones(3, dtype=torch.int64),
    torch.ones(3, 1, dtype=torch.bool),
    [True] * 3,
    np.ones(3, bool),
    True,
    "all",
]


@pytest.mark.parametrize("where", MASKS, ids=str)
def test_a_mask_must_be_bool_of_the_shape_of_the_cells(where):
    cells = Cells(3)
    calls = [
        lambda: cells.apply_voltage(1.0, where=where),
        lambda: cells.read(0.2, where=where),
        lambda: cells.ramp([0.5, 0.6], torch.ones(3), CIRCUIT, where),
    ]
    for call in calls:
        with pytest.raises(SettingsError, match=r"'where' must be a bool tensor of the cells' shape \(3,\)"):
            call()


@pytest.mark.parametrize("volts", [1e20, -5.01, 1j, torch.tensor([1j, 0, 0]), torch.tensor([True] * 3), [6.0, 0, 0]])
def test_pulses_without_meaning_are_refused_and_change_nothing(volts):
    cells = Cells(3)
    before = cells.r.clone()
    for call in (cells.apply_voltage, cells.disturbed):
        with pytest.raises(SettingsError, match=r"5 V|real numbers"):
            call(volts)
    assert torch.equal(cells.r, before)
    assert cells.pulses == 0


@pytest.mark.parametrize("volts", [1.51, -2.0, 1e20, float("nan"), torch.tensor([0.2, 0.2, 3.0]), "0.2", 1j])
def test_currents_are_known_where_they_were_measured(volts):
    cells = Cells(3)
    for call in (cells.read, cells.current):
        with pytest.raises(SettingsError, match=r"within \+-1\.5 V \(beyond, the currents|real numbers"):
            call(volts)
    assert cells.reads == 0
    assert cells.current(1.5).shape == (3,)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"temperature": 1e4}, "temperature must be a number from 77 to 600 K"),
        ({"temperature": 0}, "temperature"),
        ({"bandwidth": 1e20}, r"bandwidth must be a number from 1 to 1e\+12 Hz"),
        ({"bandwidth": "fast"}, "bandwidth"),
        ({"noise": ["off"]}, "noise must be one of"),
        ({"noise": np.array(["off", "off"])}, "noise must be one of"),
    ],
)
def test_conditions_of_a_reading_without_meaning_are_refused(settings, said):
    with pytest.raises(SettingsError, match=said):
        Cells(3).read(0.2, **settings)


CIRCUIT = ReadBack(voltage=0.2, bits=10, bandwidth=1e8, unit=4e-5)
EVERYONE = torch.ones(3, dtype=torch.bool)


@pytest.mark.parametrize(
    ("volts", "aim", "circuit"),
    [
        (0.5, torch.ones(3), CIRCUIT),
        (["a"], torch.ones(3), CIRCUIT),
        ([0.5, 1j], torch.ones(3), CIRCUIT),
        ([], torch.ones(3), CIRCUIT),
        ([0.6, 0.5], torch.ones(3), CIRCUIT),
        ([0.5, 1.46], torch.ones(3), CIRCUIT),
        ([0.5, 10**5000], torch.ones(3), CIRCUIT),
        ([0.5], 0.7, CIRCUIT),
        ([0.5], torch.ones(4), CIRCUIT),
        ([0.5], torch.ones(3, dtype=torch.int64), CIRCUIT),
        ([0.5], torch.full((3,), float("nan")), CIRCUIT),
        ([0.5], torch.ones(3), "circuit"),
    ],
)
def test_ramps_that_cannot_be_are_refused(volts, aim, circuit):
    cells = Cells(3)
    with pytest.raises(SettingsError):
        cells.ramp(volts, aim, circuit, EVERYONE)
    assert (cells.pulses, cells.reads) == (0, 0)


@pytest.mark.parametrize("state", [None, 5, {"r": 1}, {"r": [0.5]}, {}, {"r": torch.zeros(3)}])
def test_states_that_are_none_are_refused(state):
    with pytest.raises(MemrixError, match="state"):
        Cells(3, load_parameters()).load_state_dict(state)
