"""The dynamics of single cells, pulse by pulse against the numpy package with the same random numbers."""

import copy
import pickle

import numpy as np
import pytest
import synaptogen.synaptogen as reference
import torch

from memrix import Seeds
from memrix.device import Cells
from memrix.device.draws import cycle_normals
from memrix.errors import SettingsError
from tests.oracle import fresh_cells

CELLS = 2000


class Pair:
    """Cells of the numpy package and of memrix that share devices, first cycle and every random number."""

    def __init__(self, seed: int, order: int = 10) -> None:
        self.theirs = fresh_cells(CELLS, seed, order=order)
        # A fresh cell is OFF; the package leaves its flag open, and its first partial reset undefined.
        self.theirs.inHRS[:] = True
        self.ours = Cells(CELLS, order=order)
        state = self.ours.state_dict()
        state["devices"] = torch.from_numpy(np.concatenate([self.theirs.μ, self.theirs.σ]))
        state["history"].zero_()[:, -1] = torch.from_numpy(self.theirs.Xhat[-4:].T.copy())
        features = torch.from_numpy(self.theirs.y.copy())
        parameters = self.ours.parameters
        low, high = parameters.low_resistance_conductance, parameters.high_resistance_conductance
        for row in (0, 2):
            features[row] = (low - 1 / features[row].double()) / (low - high)
        state["features"] = features
        state["r"] = features[0].clone()
        state["set_threshold"] = features[1].clone()
        self.ours.load_state_dict(state)

    def pulse(self, volts: np.ndarray | float) -> None:
        normal = reference.randn

        def by_cycle(shape, out):
            # What our cells draw for their next cycle.
            cycle = torch.from_numpy(self.theirs.n.astype(np.int64)) + 1
            out[:] = cycle_normals(self.ours.streams.cycles, torch.arange(CELLS), cycle)

        reference.randn = by_cycle
        try:
            reference.applyVoltage(self.theirs, volts)
        finally:
            reference.randn = normal
        self.ours.apply_voltage(volts)

    def compare(self) -> None:
        np.testing.assert_array_equal(self.ours.cycles.numpy(), self.theirs.n)
        ours, theirs = self.ours.features.numpy(), self.theirs.y
        # Cells keep states, which are affine in the conductance: of a cell that hardly conducts, the resistance is
        # known less well.
        for resistance in (0, 2):
            np.testing.assert_allclose(1 / ours[resistance], 1 / theirs[resistance], rtol=2e-4, atol=1e-10)
        for voltage in (1, 3):
            np.testing.assert_allclose(ours[voltage], theirs[voltage], rtol=0, atol=2e-5)
        # A partial reset divides by d(U), which is small at small voltages.
        np.testing.assert_allclose(self.ours.r.numpy(), self.theirs.r, rtol=1e-4, atol=1e-4)


def sweep(points: int) -> list[float]:
    up = np.linspace(0.01, 1.5, points)
    return [*(-up), *(-up[::-1]), *up, *up[::-1]]


def random_train(pulses: int, seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.uniform(-2, 2, CELLS).astype(np.float32) for _ in range(pulses)]


def partial_resets() -> list[float | np.ndarray]:
    levels = np.linspace(0.5, 1.45, CELLS, dtype=np.float32)
    return [2.0, -2.0, levels, levels + 0.005, -2.0, levels[::-1].copy(), 2.0, -2.0, 0.9, 1.2, 1.45]


@pytest.mark.parametrize(
    "train",
    [sweep(25) * 2, random_train(150, 1), partial_resets(), [2.0, -2.0] * 25],
    ids=["sweeps", "random train", "partial resets", "full cycles"],
)
def test_states_are_those_of_the_numpy_package_after_every_pulse(train):
    pair = Pair(seed=3)
    for volts in train:
        pair.pulse(volts)
        pair.compare()
    assert pair.theirs.n.max() > 0


def test_aliased_threshold_of_the_package_would_make_cells_that_never_reset_again():
    """What the fault does: the first reset overwrites the drawn RESET voltage of a fresh array."""
    faulty, repaired = fresh_cells(CELLS, 5, copy_threshold=False), fresh_cells(CELLS, 5)
    for cells in (faulty, repaired):
        for volts in (2.0, -2.0, 2.0):
            reference.applyVoltage(cells, volts)
    assert faulty.n.max() == 0
    assert np.mean(repaired.n == 1) > 0.999
    ours = Cells(CELLS)
    for volts in (2.0, -2.0, 2.0):
        ours.apply_voltage(volts)
    assert (ours.cycles == 1).float().mean() > 0.999


@pytest.mark.parametrize("order", [1, 2, 7])
def test_history_of_any_order_is_that_of_the_numpy_package(order):
    pair = Pair(seed=4, order=order)
    for volts in [-2.0, 2.0] * (order + 8):
        pair.pulse(volts)
    pair.compare()
    assert (pair.theirs.n == order + 8).mean() > 0.99


def test_partial_reset_leaves_fresh_cells_as_they_are():
    cells = Cells(1000)
    before = cells.r.clone()
    cells.apply_voltage(1.0)
    assert torch.equal(cells.r, before)
    assert not cells.cycles.any()


def test_cells_outside_where_and_at_zero_volt_get_no_pulse():
    cells = Cells((20, 50), seed=2)
    cells.apply_voltage(-2.0)
    chosen = torch.arange(50) < 10
    before = cells.r.clone()
    cells.apply_voltage(2.0, where=chosen.expand(20, 50))
    assert torch.equal(cells.r[:, 10:], before[:, 10:])
    assert (cells.r[:, :10] > before[:, :10]).all()
    cells.apply_voltage(torch.where(chosen, 0.0, 2.0))
    assert cells.cycles.eq(1).all()
    assert cells.pulses == 1000 + 200 + 800


def test_shapes_are_only_a_way_to_look_at_the_cells():
    flat, shaped = Cells(4000, seed=4), Cells((8, 500), seed=4)
    for volts in (-2.0, 0.9, 2.0):
        flat.apply_voltage(volts)
        shaped.apply_voltage(volts)
    assert torch.equal(flat.r.view_as(shaped.r), shaped.r)
    assert torch.equal(flat.features.view_as(shaped.features), shaped.features)
    empty = Cells((0, 4))
    empty.apply_voltage(2.0)
    assert empty.read(0.2).shape == (0, 4)


def test_energy_is_voltage_times_current_times_width():
    cells = Cells(3000, seed=1, pulse_width=2e-7)
    before = cells.r.double()
    volts = torch.where(torch.arange(3000) % 3 == 0, 0.0, torch.linspace(-1.5, 1.5, 3000))
    cells.apply_voltage(volts)
    halfway = ((before + cells.r.double()) / 2).numpy()
    u = volts.double().numpy()
    current = reference.Imix(halfway, u, reference.default_params.HHRS, reference.default_params.LLRS)
    assert cells.pulses == 2000
    assert cells.energy == pytest.approx(float((u * current).sum() * 2e-7), rel=1e-5)
    cells.apply_voltage(-2.0, where=torch.arange(3000) < 7)
    assert cells.pulses == 2007


def test_reading_is_the_current_with_its_noise_and_changes_no_cell():
    cells = Cells(200, seed=3)
    cells.apply_voltage(-2.0)
    before = cells.r.clone()
    readings = torch.stack([cells.read(0.2) for _ in range(4000)])
    mean = reference.Imix(before.numpy(), 0.2, reference.default_params.HHRS, reference.default_params.LLRS)
    variance = (4 * 1.380649e-23 * 300 * 1e8 / 0.2 + 2 * 1.602176634e-19 * 1e8) * mean
    np.testing.assert_allclose(readings.mean(0).numpy(), mean, atol=5 * np.sqrt(variance.max() / 4000))
    np.testing.assert_allclose((readings.var(0).numpy() / variance).mean(), 1.0, atol=0.01)
    assert torch.equal(cells.r, before)
    assert cells.disturbing_reads == 0
    torch.testing.assert_close(cells.read(0.2, noise="off"), cells.current(0.2))


def test_reads_beyond_a_threshold_are_counted():
    cells = Cells(5000, seed=3)
    cells.apply_voltage(-2.0)
    expected = int((cells.features[3] < 0.65).sum())
    assert expected > 0
    cells.read(0.65)
    cells.read(0.65)
    assert cells.disturbing_reads == 2 * expected
    assert int(cells.disturbed(0.65).sum()) == expected


def test_reading_chosen_cells_counts_and_draws_for_them_alone():
    cells = Cells((50, 100), seed=3)
    cells.apply_voltage(-2.0)
    chosen = torch.arange(100) < 30
    where = chosen.expand(50, 100)
    readings = cells.read(0.65, where)
    assert not readings[~where].any()
    torch.testing.assert_close(readings[where], cells.current(0.65)[where], rtol=0.05, atol=0)
    assert cells.disturbing_reads == int((cells.features[3] < 0.65)[where].sum())
    with pytest.raises(SettingsError, match="read at one voltage"):
        cells.read(torch.zeros(100), where)


def test_voltages_broadcast_into_sweeps():
    cells = Cells(7)
    volts = torch.linspace(-0.5, 0.5, 11)[:, None]
    assert cells.current(volts).shape == (11, 7)
    assert cells.read(volts).shape == (11, 7)


def test_same_chip_programmed_again_keeps_devices_and_draws_other_cycles():
    cells = Cells(50_000, seed=Seeds(chip=1, programming=2))
    first, devices = cells.features, cells.state_dict()["devices"]
    cells.apply_voltage(-2.0)
    cells.restart(programming=3)
    assert torch.equal(cells.state_dict()["devices"], devices)
    assert not torch.equal(cells.features, first)
    assert cells.pulses == 0
    assert torch.equal(Cells(50_000, seed=Seeds(chip=1, programming=3)).features, cells.features)
    cells.restart(programming=2)
    assert torch.equal(cells.features, first)


def test_streams_do_not_touch_one_another():
    def life(seeds: Seeds) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        cells = Cells(100, seed=seeds)
        cells.apply_voltage(-2.0)
        return cells.state_dict()["devices"], cells.r, cells.read(0.2)

    devices, r, reading = life(Seeds(1, 1, 1))

    def same(seeds: Seeds) -> list[bool]:
        return [torch.equal(a, b) for a, b in zip(life(seeds), (devices, r, reading), strict=True)]

    assert same(Seeds(1, 1, 2)) == [True, True, False]
    assert same(Seeds(1, 2, 1)) == [True, False, False]
    assert same(Seeds(2, 1, 1)) == [False, False, False]


def test_global_generator_is_left_alone():
    before = torch.get_rng_state()
    cells = Cells(100)
    cells.apply_voltage(-2.0)
    cells.apply_voltage(2.0)
    cells.read(0.2)
    assert torch.equal(before, torch.get_rng_state())


def test_number_of_threads_does_not_change_the_cells():
    states = []
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            cells = Cells(200_005, seed=6)
            for volts in (-2.0, 0.9, -2.0, 2.0):
                cells.apply_voltage(volts)
            states.append((cells.r, cells.energy))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(states[0][0], states[1][0])
    assert states[0][1] == states[1][1]


def test_saved_cells_go_on_as_if_nothing_had_happened(tmp_path):
    cells = Cells((3, 40), seed=9)
    for volts in (-2.0, 1.0, -2.0):
        cells.apply_voltage(volts)
    torch.save(cells.state_dict(), tmp_path / "cells.pt")
    again = Cells((3, 40), seed=0)
    again.load_state_dict(torch.load(tmp_path / "cells.pt", weights_only=True))
    for both in (cells, again):
        both.apply_voltage(1.2)
        both.apply_voltage(-2.0)
        both.apply_voltage(2.0)
    assert torch.equal(cells.r, again.r)
    assert torch.equal(cells.read(0.2), again.read(0.2))
    assert (again.pulses, again.energy, again.seeds) == (cells.pulses, cells.energy, cells.seeds)


def test_state_of_other_cells_is_refused_with_every_difference():
    cells = Cells(10)
    state = Cells(12, order=3).state_dict()
    del state["cycles"]
    before = cells.r.clone()
    with pytest.raises(SettingsError, match=r"cycles is missing\n.*devices has shape \(8, 12\), expected \(8, 10\)"):
        cells.load_state_dict(state)
    assert torch.equal(cells.r, before)


@pytest.mark.parametrize(
    "volts", [float("nan"), float("inf"), torch.tensor([1.0, float("nan"), 1.0]), torch.zeros(4), "1 V", None, True]
)
def test_voltages_that_cannot_be_are_refused_and_change_nothing(volts):
    cells = Cells(3)
    before = cells.state_dict()
    with pytest.raises(SettingsError, match="voltage"):
        cells.apply_voltage(volts)
    for name, tensor in cells.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_voltages_of_more_dimensions_than_the_cells_are_refused_as_a_pulse():
    with pytest.raises(SettingsError, match="one voltage, or one for each cell"):
        Cells(3).apply_voltage(torch.zeros(5, 3))


def test_mask_of_another_shape_or_type_is_refused():
    for where in (torch.ones(4, dtype=torch.bool), torch.ones(3)):
        with pytest.raises(SettingsError, match="'where' must be a bool tensor"):
            Cells(3).apply_voltage(1.0, where=where)


@pytest.mark.parametrize("shape", [-1, (2, -3), 2.5, "ten", (2, True)])
def test_shape_must_be_of_an_array(shape):
    with pytest.raises(SettingsError, match="integers from 0"):
        Cells(shape)


def test_order_that_the_parameters_lack_is_refused():
    with pytest.raises(SettingsError, match="no autoregression of order 11"):
        Cells(3, order=11)


def test_pulse_width_must_be_positive():
    with pytest.raises(SettingsError, match="pulse_width"):
        Cells(3, pulse_width=0.0)


@pytest.mark.parametrize("saved_after", [0, 1, 2, 3, 5, 8, 15])
def test_saved_cells_go_on_as_the_uninterrupted_ones(saved_after):
    train = torch.empty(saved_after + 15, 2000).uniform_(-2, 2, generator=torch.Generator().manual_seed(0))
    cells, other = Cells(2000, seed=1), Cells(2000, seed=2)
    for volts in train[:saved_after]:
        cells.apply_voltage(volts)
    other.load_state_dict(cells.state_dict())
    copied = copy.deepcopy(cells)
    for volts in train[saved_after:]:
        for each in (cells, other, copied):
            each.apply_voltage(volts)
    assert torch.equal(other.r, cells.r)
    assert torch.equal(copied.r, cells.r)


def test_pickled_cells_go_on():
    cells = Cells(50, seed=1)
    copied = pickle.loads(pickle.dumps(cells))
    for each in (cells, copied):
        for volts in (-2.0, 2.0, -2.0, 1.0):
            each.apply_voltage(volts)
    assert torch.equal(cells.r, copied.r)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda cells: cells.apply_voltage(10**400), r"from -5 to 5 V"),
        (lambda cells: cells.apply_voltage(1.0, where=True), "got True"),
        (lambda cells: cells.read(0.2, noise="of"), "noise must be one of 'physical'"),
    ],
)
def test_more_input_that_cannot_be(call, said):
    with pytest.raises(SettingsError, match=said):
        call(Cells(3))


def test_cells_are_read_at_voltages_of_any_layout():
    cells = Cells((3, 4))
    volts = torch.linspace(0.1, 0.6, 12).view(4, 3).T
    torch.testing.assert_close(cells.read(volts, noise="off"), cells.current(volts))
    assert cells.read(volts).shape == (3, 4)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("readings", torch.zeros(10), "readings is of type torch.float32, expected torch.int64"),
        ("seeds", torch.tensor([0, -1, 0]), "the seed of 'programming' must be an integer from 0"),
    ],
)
def test_a_damaged_state_changes_nothing(name, value, said):
    cells, state = Cells(10), Cells(10, seed=1).state_dict()
    before = cells.r.clone()
    state[name] = value
    with pytest.raises(SettingsError, match=said):
        cells.load_state_dict(state)
    assert torch.equal(cells.r, before)
