import pytest
import torch

from memrix import Hardware
from memrix.crossbar import ResetRamp, ResetSet, WriteVerify
from memrix.errors import SettingsError
from tests.crossbar.protocols.populations import PARAMETERS, currents, program

CELLS = 1 << 15


def targets(share: float) -> torch.Tensor:
    return torch.full((CELLS,), share)


def test_verification_brings_cells_within_the_tolerance_or_counts_them_as_failed():
    protocol = WriteVerify(rounds=20, tolerance=0.04)
    on = torch.arange(CELLS) % 2 == 0
    programmed = program(protocol, on)
    _, off_share = (float(currents(torch.tensor(state))) for state in ResetSet().nominal_states(PARAMETERS))
    outside = (currents(programmed.states) - torch.where(on, 1.0, off_share)).abs() > protocol.tolerance
    # The read-back has noise and steps of its own: what passed may lie outside by as much.
    assert int(outside.sum()) == pytest.approx(programmed.report.failed, rel=0.25)
    assert programmed.report.failed < 0.03 * CELLS


def test_verification_compares_with_the_current_expected_at_the_test_voltage():
    """A target that is not scaled to the test voltage would flag nearly every ON cell for ever."""
    on = torch.ones(CELLS, dtype=torch.bool)
    for voltage in (0.1, 0.3, 0.6):
        report = program(WriteVerify(rounds=1, test_voltage=voltage, tolerance=0.2), on).report
        assert report.failed < 0.01 * CELLS
        assert report.pulses < 2.05 * CELLS


def test_verification_counts_its_pulses_and_reads():
    on = torch.ones(CELLS, dtype=torch.bool)
    blind = program(WriteVerify(rounds=3, tolerance=10.0), on).report
    assert (blind.pulses, blind.reads, blind.failed) == (2 * CELLS, CELLS, 0)
    hopeless = program(WriteVerify(rounds=3, tolerance=1e-9), on).report
    assert hopeless.failed == pytest.approx(CELLS, rel=0.01)
    assert hopeless.pulses == pytest.approx((2 + 3 * 2) * CELLS, rel=0.01)
    assert hopeless.reads == pytest.approx(4 * CELLS, rel=0.01)


def test_reads_that_would_disturb_are_counted():
    on = torch.ones(CELLS, dtype=torch.bool)
    gentle = program(WriteVerify(rounds=1, test_voltage=0.2, tolerance=0.2), on).report
    rough = program(WriteVerify(rounds=1, test_voltage=0.65, tolerance=0.2), on).report
    assert gentle.disturbing_reads == 0
    assert rough.disturbing_reads > 0.001 * CELLS


def test_redrawing_tightens_off_cells_and_on_cells_less():
    for on, sliver in ((True, 0.8), (False, 0.72)):
        chosen = torch.full((CELLS,), on)
        loose, tight = (currents(program(p, chosen).states, 0.6).std() for p in (ResetSet(), WriteVerify()))
        assert tight < sliver * loose


@pytest.mark.parametrize("target", [0.3, 0.5, 0.7, 0.9])
def test_spread_of_a_ramp_at_ten_millivolt(target):
    """At most 0.012 of an ON cell's current."""
    protocol = ResetRamp(step=0.01, on=target, off=0.1)
    reached = currents(program(protocol, torch.ones(CELLS, dtype=torch.bool)).states, 0.6)
    assert reached.std() < 0.012


def test_ramp_aims_high_so_that_cells_lie_about_their_targets():
    protocol = ResetRamp()
    for level in (0.0, 0.3, 0.6, 1.0):
        reached = currents(program(protocol, targets(level)).states)
        wanted = protocol.off + level * (protocol.on - protocol.off)
        assert float(reached.median()) == pytest.approx(wanted, abs=0.002)


def test_smaller_steps_are_tighter_and_take_more_pulses():
    spreads, pulses = [], []
    for step in (0.02, 0.01, 0.005):
        programmed = program(ResetRamp(step=step), targets(0.5))
        spreads.append(float(currents(programmed.states).std()))
        pulses.append(programmed.report.pulses / CELLS)
    assert spreads[0] > 1.5 * spreads[1] > 2.25 * spreads[2]
    assert pulses[2] > 1.8 * pulses[1] > 3.2 * pulses[0]


def test_more_rounds_mend_cells_that_the_first_one_missed():
    on = torch.ones(CELLS, dtype=torch.bool)
    reports = [program(ResetRamp(rounds=rounds, on=0.9), on).report for rounds in (1, 3)]
    assert 0 < reports[1].failed < 0.6 * reports[0].failed
    assert reports[1].pulses > reports[0].pulses


def test_levels_are_equally_far_apart():
    levels = torch.linspace(0, 1, 9).repeat_interleave(4096)
    reached = currents(program(ResetRamp(), levels).states).view(9, -1).median(dim=1).values
    torch.testing.assert_close(
        reached.diff(), torch.full((8,), (0.85 - 0.18) / 8, dtype=torch.float64), rtol=0, atol=0.003
    )


def test_gain_follows_the_population_that_was_programmed():
    """The difference of a mean ON and a mean OFF cell reads 1, whatever the protocol."""
    for protocol in (WriteVerify(), ResetRamp(), ResetRamp(on=0.7, off=0.3)):
        hardware = Hardware(programming=protocol).replace(**{"dac.vmax": 0.6})
        gain = hardware.circuit.gain(PARAMETERS, protocol.nominal_states(PARAMETERS))
        on = torch.arange(2 * CELLS) < CELLS
        states = program(protocol, on, seed=9).states
        unit = float(currents(torch.tensor(0.16), 0.6)) / 8020 * 1.1
        difference = (currents(states[on], 0.6).mean() - currents(states[~on], 0.6).mean()) * unit
        assert float(difference * gain) == pytest.approx(1.0, abs=0.02)


def test_read_back_has_noise_and_steps():
    levels = torch.rand(CELLS, generator=torch.Generator().manual_seed(1))

    def error(protocol: ResetRamp) -> float:
        wanted = protocol.off + levels * (protocol.on - protocol.off)
        return float((currents(program(protocol, levels).states) - wanted).square().mean().sqrt())

    fine = error(ResetRamp())
    assert error(ResetRamp(read_bits=4)) > 1.5 * fine
    assert error(ResetRamp(read_bandwidth=1e12)) > 1.5 * fine


@pytest.mark.parametrize("protocol", [WriteVerify(), ResetRamp()])
def test_shape_is_kept_and_nothing_is_a_valid_number_of_cells(protocol):
    assert program(protocol, torch.zeros(3, 5, dtype=torch.bool)).states.shape == (3, 5)
    assert program(protocol, torch.zeros(0, dtype=torch.bool)).states.shape == (0,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rounds": 0}, r"programming\.rounds"),
        ({"step": 0.0}, r"programming\.step"),
        ({"start": 1.5}, r"programming\.stop must lie above programming\.start"),
        ({"on": 0.2, "off": 0.3}, r"programming\.off must lie below programming\.on"),
        ({"on": 2.0}, r"programming\.on must be a number from 0 to 1\.2"),
        ({"test_voltage": -0.2}, r"programming\.test_voltage"),
        ({"read_bits": 0}, r"programming\.read_bits"),
        ({"tolerance": float("nan")}, r"programming\.tolerance"),
    ],
)
def test_ramp_that_cannot_be_is_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        ResetRamp(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"rounds": 0}, "rounds"), ({"tolerance": -1}, "tolerance"), ({"read_bandwidth": 0}, "read_bandwidth")],
)
def test_verification_that_cannot_be_is_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        WriteVerify(**settings)
