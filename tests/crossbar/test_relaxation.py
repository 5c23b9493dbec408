"""Cells that move after they were verified, against the deviations that their laws state."""

import math

import numpy as np
import pytest
import torch

import memrix
from memrix import Hardware, Relaxation, Seeds, TelegraphNoise
from memrix.crossbar import age_, program_pairs
from memrix.errors import SettingsError
from tests.crossbar.test_crossbar import crossbar

IDEAL = Hardware(weight_bits=2, programming="ideal")
PARAMETERS = IDEAL.parameters
ON, OFF = IDEAL.technology.nominal_states
SILENT = PARAMETERS.silent_state
SEEDS = Seeds()
INTEGERS = torch.ones(1, 100, 200, dtype=torch.int64)  # positive cells ON, negative ones OFF


def cells(hardware: Hardware, seeds: Seeds = SEEDS) -> tuple[torch.Tensor, torch.Tensor]:
    """States of the positive and of the negative cells, at the age of the hardware."""
    layout, technology = hardware.layout(*INTEGERS.shape), hardware.technology
    pairs = program_pairs(INTEGERS, layout, technology, seeds=seeds, name="test")
    age_(pairs, layout, technology, seeds=seeds, name="test")
    return (pairs.total + pairs.difference) / 2, (pairs.total - pairs.difference) / 2


def moved(hardware: Hardware, seeds: Seeds = SEEDS) -> torch.Tensor:
    """Changes of the current of ON cells, as shares of it."""
    return (cells(hardware, seeds)[0] - ON) / (ON - SILENT)


def test_currents_move_by_a_share_of_the_on_current():
    on, off = cells(IDEAL.replace(relaxation=Relaxation(share=0.02)))
    for states, nominal in ((on, ON), (off, OFF)):
        shares = (states - nominal) / (ON - SILENT)
        assert float(shares.mean()) == pytest.approx(0, abs=5e-4)
        assert float(shares.std()) == pytest.approx(0.02, rel=0.02)


def test_relaxation_grows_with_its_time_constant_and_every_cell_in_proportion():
    hardware = IDEAL.replace(relaxation=Relaxation(share=0.03, time_constant=100.0))
    full = moved(hardware.replace(**{"drift.seconds": 1e9}))
    assert float(full.std()) == pytest.approx(0.03, rel=0.02)
    assert float(moved(hardware).abs().max()) < 1e-6
    for seconds in (10.0, 100.0):
        now = moved(hardware.replace(**{"drift.seconds": seconds}))
        torch.testing.assert_close(now, full * (1 - math.exp(-seconds / 100)), rtol=1e-3, atol=1e-5)


def test_another_programming_relaxes_otherwise_and_another_chip_likewise():
    hardware = IDEAL.replace(relaxation=Relaxation(share=0.02))
    same, other_chip, other_cycle = (moved(hardware, Seeds(*s)) for s in ((0, 0), (1, 0), (0, 1)))
    assert torch.equal(same, other_chip)
    assert float(torch.corrcoef(torch.stack([same.flatten(), other_cycle.flatten()]))[0, 1]) < 0.05


def test_relaxation_changes_no_other_draw():
    plain, relaxed = (Hardware(weight_bits=2).replace(**{"relaxation.share": share}) for share in (0.0, 1e-6))
    torch.testing.assert_close(cells(relaxed)[0], cells(plain)[0], rtol=0, atol=1e-5)


def test_cells_that_readings_may_switch_relax_with_the_others():
    hardware = Hardware(weight_bits=2, relaxation=Relaxation(share=0.02)).replace(**{"device.read_disturb": True})
    layout = hardware.layout(*INTEGERS.shape)
    pairs = program_pairs(INTEGERS, layout, hardware.technology, seeds=Seeds(), name="test")
    places = pairs.exposed.places
    sign = 1 - 2 * (places % 2)
    states = (pairs.total.view(-1)[places // 2] + sign * pairs.difference.view(-1)[places // 2]) / 2
    torch.testing.assert_close(pairs.exposed.cells.r, states, rtol=0, atol=1e-6)


# Traps from 1 us to 1 s, a reading of 5 ns: a share of the logarithm of time since the fastest of them.
@pytest.mark.parametrize(("seconds", "share"), [(1e-6, 0.0), (1e-3, 0.5), (1.0, 1.0), (1e6, 1.0)])
def test_slow_traps_move_cells_with_the_logarithm_of_time(seconds, share):
    hardware = IDEAL.replace(telegraph=TelegraphNoise(share=0.02), **{"drift.seconds": seconds})
    assert float(moved(hardware).std()) == pytest.approx(0.02 * math.sqrt(share), rel=0.02, abs=1e-6)


def test_slow_traps_are_drawn_anew_at_every_time():
    hardware = IDEAL.replace(telegraph=TelegraphNoise(share=0.02))
    now, again, later = (moved(hardware.replace(**{"drift.seconds": s})) for s in (10.0, 10.0, 20.0))
    assert torch.equal(now, again)
    assert abs(float(torch.corrcoef(torch.stack([now.flatten(), later.flatten()]))[0, 1])) < 0.05


def simulated_mean_of_a_trap(ratio: float, readings: int = 20_000) -> float:
    """Variance of the mean of a symmetric telegraph signal of variance 1 over a reading of 1."""
    generator = np.random.default_rng(0)
    steps = 400
    flips = generator.random((readings, steps)) < -math.expm1(-1 / (steps * ratio)) / 2
    start = generator.choice([-1.0, 1.0], readings)
    return float((start[:, None] * np.where(flips, -1, 1).cumprod(1)).mean(1).var())


@pytest.mark.parametrize("ratio", [0.05, 0.3])
def test_fast_traps_are_averaged_over_a_reading(ratio):
    noise = TelegraphNoise(share=1.0, shortest=ratio, longest=ratio).read_noise(1.0)
    assert noise**2 == pytest.approx(simulated_mean_of_a_trap(ratio), rel=0.05)


def test_traps_on_both_sides_of_a_reading_share_its_noise():
    both = TelegraphNoise(share=1.0, shortest=0.01, longest=100.0)
    fast = TelegraphNoise(share=1.0, shortest=0.01, longest=1.0)
    assert both.read_noise(1.0) ** 2 == pytest.approx(fast.read_noise(1.0) ** 2 / 2)
    assert both.deviation(1e3, 1.0) ** 2 == pytest.approx(0.5)
    assert TelegraphNoise(share=1.0).read_noise(5e-9) == 0


def test_fast_traps_add_to_the_variance_of_a_reading():
    """One input at full code on 100 columns: the standard deviation is that of two cells."""
    telegraph = TelegraphNoise(share=0.1, shortest=1e-10, longest=1e-10)
    hardware = Hardware(weight_bits=2, adc=memrix.ADC(12, 4), telegraph=telegraph)
    codes = torch.zeros(1, 1, 2000, 100, dtype=torch.int16)
    codes[..., 0] = 128
    arrays = [crossbar(each, INTEGERS) for each in (hardware.replace(telegraph=TelegraphNoise()), hardware)]
    plain, noisy = (float((array(codes) / array.digital_gain).var(2).mean()) for array in arrays)
    on_current = (SILENT - hardware.technology.nominal_states[0]) / (OFF - ON)  # of the window
    expected = 2 * (telegraph.read_noise(hardware.reading_seconds) * on_current) ** 2
    assert noisy - plain == pytest.approx(expected, rel=0.05)
    silent = hardware.replace(noise="off")
    assert crossbar(silent, INTEGERS)(codes).var(2).max() == 0


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Relaxation, {"share": 1.5}, r"relaxation\.share must be a number from 0 to 1"),
        (Relaxation, {"time_constant": -1.0}, r"relaxation\.time_constant must be .* s, got -1"),
        (TelegraphNoise, {"share": float("nan")}, r"telegraph\.share"),
        (TelegraphNoise, {"shortest": 0.0}, r"telegraph\.shortest must be a number from 1e-15 to 1e\+12 s"),
        (TelegraphNoise, {"shortest": 2.0}, r"telegraph\.longest must be at least telegraph\.shortest = 2 s, got 1"),
    ],
)
def test_laws_that_cannot_be_are_refused(kind, settings, message):
    with pytest.raises(SettingsError, match=message):
        kind(**settings)


def test_a_hardware_file_has_them(tmp_path):
    hardware = Hardware(relaxation=Relaxation(0.02, 10.0), telegraph=TelegraphNoise(0.01, 1e-9, 1.0))
    hardware.save(tmp_path / "chip.toml")
    assert Hardware.load(tmp_path / "chip.toml") == hardware
