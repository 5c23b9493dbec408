"""Features of loops that can be checked by hand: ohmic states, 25 mV between two points."""

import numpy as np
import pytest

from memrix.device.fitting import fit_parameters, read_cycles, simulate_cycles
from memrix.errors import DataError, SettingsError
from memrix.studies.device_behavior import current_voltage_loops

PEAK, STEP = 1.5, 0.025
Row = tuple[str, int, float, float]


def half(sign: int, switch: float, before: float, after: float) -> list[tuple[float, float]]:
    """A sweep to a peak and back, of a cell whose conductance changes beyond a voltage."""
    rising = np.linspace(0, PEAK, round(PEAK / STEP) + 1)
    there = [(sign * u, sign * u * (after if u >= switch - 1e-9 else before)) for u in rising]
    return there + [(sign * u, sign * u * after) for u in rising[-2::-1]]


def loop(
    device: str, cycle: int, set_at: float = 0.7, reset_at: float = 0.8, on: float = 2e-4, off: float = 1e-5
) -> list[Row]:
    """A SET at ``-set_at`` and a RESET at ``reset_at``, V."""
    return [(device, cycle, *point) for point in half(-1, set_at, off, on)[:-1] + half(1, reset_at, on, off)[:-1]]


def write(path, rows: list[Row], header: str = "device,cycle,U,I"):
    path.write_text(header + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "loops.csv"


def test_features_are_those_of_the_sweeps(file):
    rows = [*loop("a", 1, 0.7, 0.8), *loop("a", 2, 0.9, 0.6), *loop("b", 1), *loop("b", 2, off=2e-5)]
    cycles = read_cycles(write(file, rows))
    assert cycles.devices == ("a", "b")
    # A SET lies between two points, a RESET begins at the last one of the low-resistance state.
    expected = [[[5, -0.6875, 5000, 0.775], [5, -0.8875, 5000, 0.575]], [[5, -0.6875, 5000, 0.775]] * 2]
    np.testing.assert_allclose(cycles.features, expected, rtol=1e-9)
    assert cycles.sweep_peak == PEAK
    assert cycles.unswitched == ()


def test_the_resistance_after_a_reset_belongs_to_the_next_cycle(file):
    """Conductances after RESET of 1e-5, then 2e-5: the second SET ends the first of them."""
    cycles = read_cycles(write(file, [*loop("a", 1, off=1e-5), *loop("a", 2, off=2e-5)]))
    np.testing.assert_allclose(10 ** cycles.features[0, :, 0], [1e5, 1e5])


def test_a_record_may_begin_with_a_reset(file):
    first, second = loop("a", 1), loop("a", 2)
    middle = len(first) // 2
    turned = [*first[middle:], *second[:middle], *second[middle:], *first[:middle]]
    cycles = read_cycles(write(file, [("a", 1, u, i) for _, _, u, i in turned]))
    # The first RESET and the last SET are halves of cycles.
    np.testing.assert_allclose(cycles.features, [[[5, -0.6875, 5000, 0.775]]])


def test_one_record_needs_neither_devices_nor_cycles(file):
    rows = [(u, i) for cycle in (1, 2, 3) for _, _, u, i in loop("a", cycle)]
    assert read_cycles(write(file, rows, "U (V),I (A)")).features.shape == (1, 3, 4)


def test_readings_between_sweeps_are_no_sweeps(file):
    rows = loop("a", 1)
    middle = len(rows) // 2
    reading = [("a", 1, u, u * 2e-4) for u in (0.0, 0.2, 0.0)]
    assert read_cycles(write(file, [*rows[:middle], *reading, *rows[middle:], *loop("a", 2)])).count == 2


def test_currents_at_the_read_voltage_are_interpolated(file):
    cycles = read_cycles(write(file, loop("a", 1)), read_voltage=0.21)
    np.testing.assert_allclose(cycles.features[0, 0, 2], 5000)


def test_states_that_differ_by_less_than_four_are_told_apart(file):
    cycles = read_cycles(write(file, loop("a", 1, on=2e-4, off=1e-4)))
    np.testing.assert_allclose(cycles.features, [[[4, -0.6875, 5000, 0.775]]])


def test_a_current_that_is_held_by_the_instrument_hides_nothing(file):
    rows = [(d, c, u, max(i, -1e-4)) for d, c, u, i in loop("a", 1) + loop("a", 2, 0.6)]
    cycles = read_cycles(write(file, rows))
    np.testing.assert_allclose(cycles.features[0, :, 1], [-0.6875, -0.5875])
    np.testing.assert_allclose(np.interp([-1.4, 0.5], *cycles.low_curve.T), [-2.8e-4, 1e-4], rtol=1e-6)


def test_the_extreme_curves_are_those_of_the_extreme_cells(file):
    rows = [*loop("a", 1, on=2e-4, off=1e-5), *loop("a", 2, on=4e-4, off=5e-6), *loop("a", 3)]
    cycles = read_cycles(write(file, rows))
    for curve, conductance in ((cycles.low_curve, 4e-4), (cycles.high_curve, 5e-6)):
        volts = curve[:, 0]
        assert (volts.min(), volts.max()) == (-PEAK, PEAK)
        # 999 cycles in 1,000 lie within: with three, a little is missing.
        np.testing.assert_allclose(curve[:, 1], conductance * volts, rtol=5e-3)


def test_loops_without_a_set_or_a_reset_are_left_out_and_told(file):
    rows = [row for cycle in range(1, 31) for row in loop("a", cycle, set_at=9 if cycle == 7 else 0.7)]
    # Without its SET, the cell is OFF all along.
    rows = [(d, c, u, u * 1e-5) if c == 7 else (d, c, u, i) for d, c, u, i in rows]
    cycles = read_cycles(write(file, rows))
    assert cycles.count == 29
    assert cycles.unswitched == ("device a, cycle 7: no SET and no RESET",)


def test_loops_of_the_model_give_its_features_back(built_in, file):
    devices, count = 8, 6
    loops = current_voltage_loops(built_in, devices, count, points=301, seed=3)
    rows = [
        (f"d{device}", cycle + 1, volts, float(loops.current[cycle, point, device]))
        for device in range(devices)
        for cycle in range(count)
        for point, volts in enumerate(loops.voltage.tolist())
    ]
    features = read_cycles(write(file, rows)).features
    known = simulate_cycles(built_in, 2000, 1, seed=1).features[:, 0]
    # 48 cycles of 8 devices: five standard errors of the mean of a device.
    error = 5 * known.std(axis=0) / np.sqrt(devices)
    assert np.all(np.abs(features.mean(axis=(0, 1)) - known.mean(axis=0)) < error)
    curve = read_cycles(file).low_curve
    ratio = np.interp(0.6, *curve.T) / np.interp(0.2, *curve.T)
    low = built_in.low_resistance
    assert ratio == pytest.approx(np.polyval(low, 0.6) / np.polyval(low, 0.2), rel=0.01)


def test_the_peak_of_loops_is_where_a_reset_is_complete(built_in, file):
    generator = np.random.default_rng(0)
    rows = [
        row
        for device in range(9)
        for cycle in range(20)
        for row in loop(
            f"d{device}", cycle, *generator.normal([0.7, 0.8], 0.1), *generator.normal([2e-4, 1e-5], 5e-7)
        )
    ]
    assert fit_parameters(read_cycles(write(file, rows)), order=1, components=1).full_reset_voltage == PEAK


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 1, -u, -i) for _, _, u, i in loop("a", 1)], "SET at positive .* give --flip-polarity"),
        (
            [("a", 1, u, -i) for _, _, u, i in loop("a", 1)],
            "lines 10 to 114: .* to -1.5 V has no positive resistance",
        ),
        ([("a", 1, u, 0.0) for _, _, u, _ in loop("a", 1)], "the current is zero or has the other sign"),
        ([row for row in loop("a", 1) if row[2] <= 0], "there is no whole loop"),
        (loop("a", 1)[120:] + loop("a", 2)[120:], "follows another one of the same sign"),
        ([row for row in loop("a", 1) if abs(row[2]) > 0.3], "is not whole: it must begin and end at -0.2 V"),
        ([*loop("a", 1), *loop("a", 3)], r"nothing between cycles 1 and 3"),
        ([*loop("a", 1)[:50], ("a", 1, float("nan"), 1.0)], "line 52: U must be a finite number, got 'nan'"),
        ([("a", 1.5, 0.0, 0.0)], "line 2: cycle must be a whole number"),
        ([], "there is no point of a loop"),
        ([("a", 1, u, u * 1e-5) for _, _, u, _ in loop("a", 1)], "no loop has a SET and a RESET"),
    ],
)
def test_loops_that_cannot_be_used_are_explained(rows, message, file):
    with pytest.raises(DataError, match=message):
        read_cycles(write(file, rows))


@pytest.mark.parametrize("volts", [0, -0.2, float("nan")])
def test_read_voltages_that_are_none_are_refused(file, volts):
    with pytest.raises(SettingsError, match="read_voltage must be a number above 0"):
        read_cycles(write(file, loop("a", 1)), read_voltage=volts)


def test_devices_of_the_other_polarity_are_turned_round(file):
    turned = [(d, c, -u, -i) for d, c, u, i in loop("a", 1)]
    cycles = read_cycles(write(file, turned), flip_polarity=True)
    np.testing.assert_allclose(cycles.features, [[[5, -0.6875, 5000, 0.775]]])
    with pytest.raises(DataError, match="leave it out"):
        read_cycles(write(file, loop("a", 1)), flip_polarity=True)
