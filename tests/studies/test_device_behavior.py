from dataclasses import replace

import pytest
import torch
from scipy.stats import ks_2samp

from memrix.crossbar.protocols import Ideal, PreCycled, ResetRamp, ResetSet, WriteVerify
from memrix.device import CellCurrent, Cells
from memrix.device.fitting import simulate_cycles
from memrix.device.parameters import HRS, LRS, RESET_VOLTAGE, SET_VOLTAGE
from memrix.errors import DataError, SettingsError
from memrix.studies.device_behavior import (
    autocorrelation,
    current_voltage_loops,
    feature_history,
    protocol_currents,
    sweep_peak,
    typical_device,
)

CELLS = 4000


@pytest.mark.parametrize(("full_reset", "peak"), [(1.46, 1.5), (1.5, 1.5), (1.51, 1.6), (0.7, 0.7)])
def test_a_sweep_ends_at_the_first_tenth_of_a_volt_that_resets_completely(built_in, full_reset, peak):
    assert sweep_peak(replace(built_in, full_reset_voltage=full_reset)) == peak


def test_a_sweep_goes_down_back_up_and_back_and_takes_each_corner_once(built_in):
    loops = current_voltage_loops(built_in, devices=2, cycles=3, points=4)
    assert loops.voltage.tolist() == [0, -0.5, -1, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 1, 0.5, 0]
    assert loops.current.shape == (3, 13, 2)


def test_currents_follow_the_voltage_and_vanish_without_it(built_in):
    loops = current_voltage_loops(built_in, devices=20, cycles=2, points=4)
    assert torch.equal(loops.current.sign(), loops.voltage.float().sign()[:, None].expand(2, 13, 20))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_loop_sets_and_resets_to_the_resistances_of_the_device(built_in, seed):
    """At the read voltage, 0.2 V, a current is 0.2 V over the ON and over the OFF resistance."""
    assert built_in.read_voltage == 0.2
    # Devices are reset at different voltages, and draw their next cycles in that order: one alone is predictable.
    loops = current_voltage_loops(built_in, devices=1, cycles=1, points=16, seed=seed)
    rising, falling = (loops.voltage - 0.2).abs().lt(1e-9).nonzero().squeeze(1).tolist()
    cell = Cells(1, built_in, seed=seed)
    on = cell.features[LRS]
    cell.apply_voltage(-1.5)
    cell.apply_voltage(1.5)
    off = cell.features[HRS]
    torch.testing.assert_close(0.2 / loops.current[0, rising], on, rtol=1e-4, atol=0)
    torch.testing.assert_close(0.2 / loops.current[0, falling], off, rtol=1e-4, atol=0)


def test_the_seed_decides_about_loops(built_in):
    one, same, other = (current_voltage_loops(built_in, 3, 2, 5, seed).current for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one[:, 1], other[:, 1])


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"devices": 0}, "devices must be an integer from 1 to 10000000, got 0"),
        ({"cycles": 0}, "cycles must be an integer from 1 to 10000000, got 0"),
        ({"points": 1}, "points must be an integer from 2 to 10000000, got 1"),
        ({"seed": -1}, "must be an integer from 0, got -1"),
    ],
)
def test_loops_of_nothing_are_refused(built_in, counts, message):
    with pytest.raises(SettingsError, match=message):
        current_voltage_loops(built_in, **{"devices": 1, "cycles": 1, "points": 2, **counts})


def test_settling_drops_the_first_cycles_and_changes_no_other(built_in):
    whole = feature_history(built_in, devices=5, cycles=7, settling=0, seed=1)
    settled = feature_history(built_in, devices=5, cycles=4, settling=3, seed=1)
    assert whole.shape == (4, 5, 7)
    assert torch.equal(settled, whole[..., 3:])


def test_features_are_in_the_units_that_are_promised(built_in):
    history = feature_history(built_in, devices=100, cycles=20)
    # Medians of the built-in device: 77 kΩ, -0.67 V, 4.5 kΩ, 0.73 V.
    median = history.flatten(1).median(dim=1).values
    expected = torch.tensor([4.88, -0.67, 4500.0, 0.73])
    torch.testing.assert_close(median, expected, rtol=0.02, atol=0)
    assert bool((history[SET_VOLTAGE] < 0).all())
    assert bool((history[RESET_VOLTAGE] > 0).all())
    assert bool((10 ** history[HRS] > history[LRS]).all())


def test_cycles_are_those_of_measured_devices(built_in):
    """Pulses bring out what ``simulate_cycles`` draws, settled as there."""
    pulsed = feature_history(built_in, devices=3000, cycles=1, seed=1)[..., -1]
    drawn = simulate_cycles(built_in, 3000, 1, seed=2).features[:, -1]
    for feature in range(4):
        assert ks_2samp(pulsed[feature], drawn[:, feature]).pvalue > 1e-3


def test_the_seed_decides_about_features(built_in):
    one, same, other = (feature_history(built_in, 3, 2, settling=1, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"devices": 0}, "devices must be an integer from 1 to 10000000, got 0"),
        ({"cycles": 0}, "cycles must be an integer from 1 to 10000000, got 0"),
        ({"settling": -1}, "settling must be an integer from 0 to 10000000, got -1"),
    ],
)
def test_a_history_of_nothing_is_refused(built_in, counts, message):
    with pytest.raises(SettingsError, match=message):
        feature_history(built_in, **{"devices": 1, "cycles": 1, **counts})


def test_the_typical_device_has_the_median_mean():
    # Five devices in a row, cycles one above and one below the mean of each.
    means = torch.tensor([5.0, 1.0, 3.0, 4.0, 2.0])
    assert typical_device(torch.stack([means - 1, means + 1], dim=-1)[None]) == 2


def test_the_typical_device_has_the_median_deviation_too():
    means = torch.tensor([3.0, 3.0, 1.0, 5.0, 3.0])
    deviations = torch.tensor([9.0, 0.1, 2.0, 4.0, 3.0])
    assert typical_device(torch.stack([means - deviations, means + deviations], dim=-1)[None]) == 4


def test_among_devices_that_are_alike_the_one_that_is_not_is_not_typical():
    history = torch.ones(4, 5, 2)
    history[1, 0] = 7
    assert typical_device(history) != 0


def test_autocorrelation_of_series_that_a_reader_can_compute():
    series = torch.tensor([[1.0, -1.0, 1.0, -1.0], [0.0, 1.0, 2.0, 3.0]])
    # The second is -1.5, -0.5, 0.5, 1.5 about its mean, its variance 1.25.
    expected = torch.tensor(
        [[1.0, -1.0, 1.0, -1.0], [1.0, 1.25 / 3 / 1.25, -0.75 / 1.25, -2.25 / 1.25]], dtype=torch.float64
    )
    torch.testing.assert_close(autocorrelation(series, 3), expected)


def test_autocorrelation_knows_neither_level_nor_scale():
    series = torch.tensor([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])
    torch.testing.assert_close(autocorrelation(100 - 8 * series, 5), autocorrelation(series, 5))


def test_autocorrelation_of_a_series_that_never_changes_is_not_a_number():
    assert bool(autocorrelation(torch.full((2, 5), 3.0), 2).isnan().all())


@pytest.mark.parametrize("lags", [-1, 4])
def test_lags_that_the_series_does_not_hold_are_refused(lags):
    with pytest.raises(DataError, match=f"lags must be .* below the 4 steps of the series, got {lags}"):
        autocorrelation(torch.arange(4.0), lags)


def test_ideal_cells_carry_their_share_exactly(built_in):
    shares = protocol_currents(Ideal(), built_in, 3, levels=(0.0, 0.25, 1.0))
    on, off = Ideal().nominal_states(built_in)
    current = CellCurrent(built_in)
    lowest = current.of(off, 0.2) / current.of(on, 0.2)
    expected = torch.tensor([lowest, lowest + 0.25 * (1 - lowest), 1.0], dtype=torch.float64)
    torch.testing.assert_close(shares, expected[:, None].expand(3, 3), rtol=0, atol=1e-6)


@pytest.mark.parametrize("protocol", [ResetSet(), PreCycled(1), WriteVerify()])
def test_protocols_leave_cells_on_and_off(built_in, protocol):
    off, on = protocol_currents(protocol, built_in, CELLS)
    assert float(on.median()) == pytest.approx(1.0, abs=0.01)
    assert float(off.median()) == pytest.approx(0.06, abs=0.01)
    assert on.min() > 2 * off.mean()


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_ramp_leaves_cells_at_levels_in_between(built_in, level):
    protocol = ResetRamp(0.01)
    shares = protocol_currents(protocol, built_in, CELLS, levels=(level,))[0]
    wanted = protocol.off + level * (protocol.on - protocol.off)
    assert float(shares.median()) == pytest.approx(wanted, abs=0.003)
    assert shares.std() <= 0.012


def test_each_level_programs_the_same_fresh_devices(built_in):
    """A target that is a hair higher ends the ramps of nearly all cells at the very same pulse.

    Not of all: readings that are in doubt draw their noise in another order. Of other devices, no ramp would agree.
    """
    one, other = protocol_currents(ResetRamp(0.01), built_in, CELLS, levels=(0.5, 0.50001))
    assert float((one == other).double().mean()) > 0.95
    (elsewhere,) = protocol_currents(ResetRamp(0.01), built_in, CELLS, levels=(0.5,), seed=1)
    assert float((one == elsewhere).double().mean()) < 0.01


def test_the_levels_beside_a_level_do_not_change_it(built_in):
    both = protocol_currents(ResetSet(), built_in, CELLS, levels=(0.0, 1.0))
    assert torch.equal(both[1:], protocol_currents(ResetSet(), built_in, CELLS, levels=(1.0,)))


def test_the_seed_decides_about_currents(built_in):
    one, same, other = (protocol_currents(WriteVerify(), built_in, 50, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_no_cells_are_refused(built_in):
    with pytest.raises(SettingsError, match="cells must be an integer from 1 to 10000000, got 0"):
        protocol_currents(ResetSet(), built_in, 0)


@pytest.mark.parametrize(
    ("protocol", "levels", "message"),
    [
        (ResetSet(), (0.0, 0.5), "reset-set reaches the levels 0 and 1 alone, got 0.0, 0.5"),
        (WriteVerify(), (2.0,), "write-verify reaches the levels 0 and 1 alone, got 2.0"),
        (ResetRamp(), (0.5, 1.5), "reset-ramp reaches levels from 0 to 1, got 0.5, 1.5"),
        (Ideal(), (-0.5,), "ideal reaches levels from 0 to 1, got -0.5"),
        (Ideal(), (float("nan"),), "ideal reaches levels from 0 to 1, got nan"),
    ],
)
def test_levels_out_of_reach_are_refused(built_in, protocol, levels, message):
    with pytest.raises(SettingsError, match=message):
        protocol_currents(protocol, built_in, 10, levels=levels)
