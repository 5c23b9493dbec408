import math

import pytest
import torch
from torch import nn

import memrix
from memrix import Hardware, Seeds
from memrix._support.streams import Stream
from memrix.crossbar import Drift, Faults, Pairs, age_, program_pairs
from memrix.device import load_parameters
from memrix.errors import SettingsError
from tests.crossbar.test_crossbar import crossbar, integers

PARAMETERS = load_parameters()
NOMINAL = (0.16, 0.84)
PLAIN = Hardware(weight_bits=4)


STREAM = Stream.of(1, "test")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def conductance(states: torch.Tensor) -> torch.Tensor:
    low, high = PARAMETERS.low_resistance_conductance, PARAMETERS.high_resistance_conductance
    return low - states * (low - high)


def test_stuck_cells_are_as_many_as_asked_and_nominal():
    states = torch.full((200_000,), 0.5)
    Faults(stuck_on=0.02, stuck_off=0.05).apply_(states, (0.16, 0.84), STREAM)
    on, off = (states == torch.tensor(value) for value in (0.16, 0.84))
    assert float(on.float().mean()) == pytest.approx(0.02, abs=0.002)
    assert float(off.float().mean()) == pytest.approx(0.05, abs=0.003)
    assert (states[~(on | off)] == 0.5).all()


def test_all_cells_can_be_stuck():
    states = torch.rand(1000, generator=generator())
    Faults(stuck_on=0.4, stuck_off=0.6).apply_(states, (0.16, 0.84), STREAM)
    assert set(states.tolist()) == set(torch.tensor([0.16, 0.84]).tolist())


def test_conductances_drift_by_the_power_law():
    states = torch.tensor([0.16, 0.5, 0.84])
    drifted = states.clone()
    Drift(seconds=1000.0, exponent=0.1, reference_seconds=10.0).apply_(drifted, PARAMETERS, NOMINAL, STREAM)
    torch.testing.assert_close(conductance(drifted), conductance(states) * 100**-0.1, rtol=1e-4, atol=0)


def test_cells_drift_apart_with_a_spread_of_exponents():
    states = torch.full((100_000,), 0.16)
    Drift(seconds=100.0, exponent=0.05, exponent_spread=0.02).apply_(states, PARAMETERS, NOMINAL, STREAM)
    exponents = -(conductance(states) / conductance(torch.tensor(0.16))).log() / torch.tensor(100.0).log()
    assert float(exponents.mean()) == pytest.approx(0.05, abs=3e-4)
    assert float(exponents.std()) == pytest.approx(0.02, rel=0.02)


def test_conductances_fall_with_the_logarithm_of_time():
    """HfOx with a conductive metal oxide: -0.089 uS an e-fold, 0.042 ln t + 0.412 uS, of a window of 79.2 uS."""
    window = float(conductance(torch.tensor(NOMINAL[0])) - conductance(torch.tensor(NOMINAL[1])))
    for seconds, loss, deviation in ((1.0, 0.0, 0.412), (3600.0, 0.729, 0.756), (2.592e6, 1.314, 1.032)):
        states = torch.full((100_000,), 0.16)
        Drift.metal_oxide(seconds).apply_(states, PARAMETERS, NOMINAL, STREAM)
        changes = (conductance(states) - conductance(torch.tensor(0.16))) / window * 79.2
        assert float(changes.mean()) == pytest.approx(-loss, abs=0.01)
        assert float(changes.std()) == pytest.approx(deviation, rel=0.01)


def test_both_laws_leave_cells_as_programmed_until_the_reference_time():
    states = torch.tensor([0.16, 0.5, 0.84])
    Drift(5.0, 0.1, 0.05, reference_seconds=10.0, log_loss=0.01).apply_(states, PARAMETERS, NOMINAL, STREAM)
    torch.testing.assert_close(states, torch.tensor([0.16, 0.5, 0.84]), rtol=0, atol=1e-6)


def test_no_cell_conducts_against_its_voltage_by_drift():
    states = torch.full((10_000,), 0.88)
    Drift(1e6, log_loss=0.01, log_spread=0.01).apply_(states, PARAMETERS, NOMINAL, STREAM)
    assert float(conductance(states).min()) >= -1e-10
    assert float(conductance(states).max()) > 0


def test_nothing_happens_by_default():
    states = torch.rand(100, generator=generator())
    before = states.clone()
    Faults().apply_(states, (0.16, 0.84), STREAM)
    Drift().apply_(states, PARAMETERS, NOMINAL, STREAM)
    Drift(exponent=0.1).apply_(states, PARAMETERS, NOMINAL, STREAM)
    assert torch.equal(states, before)


def test_faults_leave_the_other_cells_of_a_chip_as_they_are():
    healthy, faulty = crossbar(PLAIN), crossbar(PLAIN.replace(**{"faults.stuck_off": 0.1}))
    same = (healthy.difference == faulty.difference).float().mean()
    assert float(same) == pytest.approx(0.9**2, abs=0.05)
    assert torch.equal(crossbar(PLAIN.replace(**{"faults.stuck_off": 0.1})).difference, faulty.difference)


MILLION_SECONDS = Drift(seconds=1e6, exponent=0.05)
REMAINING = 1e6**-0.05  # 0.501 of every conductance


def drifted(hardware: Hardware) -> tuple[Pairs, Pairs]:
    """Pairs as programmed, and the same after their drift."""
    layout, weights = hardware.layout(*integers(4).shape), integers(4)

    def pairs() -> Pairs:
        return program_pairs(weights, layout, hardware.technology, seeds=Seeds(), name="test")

    programmed, aged = pairs(), pairs()
    age_(aged, layout, hardware.technology, seeds=Seeds(), name="test")
    return programmed, aged


def test_conductances_of_both_cells_of_a_pair_fall():
    programmed, aged = drifted(PLAIN.replace(drift=MILLION_SECONDS))
    torch.testing.assert_close(aged.difference, programmed.difference * REMAINING, rtol=1e-4, atol=1e-6)
    for sign in (1, -1):
        before, after = ((pairs.total + sign * pairs.difference) / 2 for pairs in (programmed, aged))
        used = before != 0  # no cell in the rows that fill a tile
        torch.testing.assert_close(
            conductance(after[used]), conductance(before[used]) * REMAINING, rtol=1e-3, atol=1e-9
        )


def test_stuck_cells_do_not_drift():
    programmed, aged = drifted(PLAIN.replace(drift=MILLION_SECONDS, faults=Faults(stuck_on=0.5, stuck_off=0.5)))
    torch.testing.assert_close(aged.difference, programmed.difference, rtol=0, atol=1e-6)


def test_no_drift_leaves_pairs_as_they_are():
    programmed, aged = drifted(PLAIN)
    assert torch.equal(programmed.difference, aged.difference)


def loss_of_a_drifted_layer(hardware: Hardware) -> float:
    """Signal-to-noise ratio in dB of a layer whose cells lost half of their conductance."""
    generator = torch.Generator().manual_seed(1)
    layer = nn.Linear(64, 16, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(16, 64, generator=generator))
    batches = [torch.randn(256, 64, generator=generator)]
    hardware = hardware.replace(weight_bits=6, noise="off", drift=MILLION_SECONDS)
    memrix.calibrate(layer, batches, hardware)
    (summary,) = memrix.summary(memrix.program(layer, hardware), batches).layers
    return summary.sqnr


def test_a_tuned_chip_loses_what_its_cells_have_lost():
    """Converters and columns are fitted to the moment of programming: -20 log10(1 - 0.501) = 6.04 dB remain."""
    for name in ("tuned", "ideal"):
        assert loss_of_a_drifted_layer(Hardware.preset(name)) == pytest.approx(
            -20 * math.log10(1 - REMAINING), abs=0.1
        )


def test_a_saved_chip_is_as_old_as_it_was(tmp_path):
    hardware = Hardware.preset("tuned").replace(weight_bits=3, drift=MILLION_SECONDS)
    model, batch = nn.Linear(64, 16), torch.randn(40, 64, generator=generator())
    memrix.calibrate(model, [batch], hardware)
    chip = memrix.program(model, hardware)
    memrix.save(chip, tmp_path / "chip.safetensors")
    loaded = memrix.load(tmp_path / "chip.safetensors", model)
    for each in (chip, loaded):
        memrix.reseed(each, read=1)
    assert torch.equal(loaded(batch), chip(batch))


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Faults, {"stuck_on": 1.5}, r"faults\.stuck_on must be a number from 0 to 1"),
        (Faults, {"stuck_on": 0.6, "stuck_off": 0.6}, "must not add up to more than 1"),
        (Drift, {"log_loss": 0.5}, r"drift\.log_loss must be a number from -0\.1 to 0\.1"),
        (Drift, {"log_spread": -0.1}, r"drift\.log_spread"),
        (Drift, {"spread": float("inf")}, r"drift\.spread"),
        (Drift, {"seconds": -1}, r"drift\.seconds"),
        (Drift, {"exponent": float("nan")}, r"drift\.exponent"),
        (Drift, {"exponent_spread": -0.1}, r"drift\.exponent_spread"),
    ],
)
def test_degradation_that_cannot_be_is_refused(kind, settings, message):
    with pytest.raises(SettingsError, match=message):
        kind(**settings)
