"""Readings that switch cells behind wires: at the voltage that arrives, and seen as the wires let them be seen."""

import pytest
import torch
from torch import nn

import memrix
from memrix import Hardware, Seeds, Wires
from memrix.crossbar import program_pairs, through_wires
from memrix.crossbar.stored_word_lines import stored_problems
from memrix.device import CellCurrent
from memrix.nn.programming import integers_of

INPUTS, OUTPUTS = 96, 48
WIRES = Wires(ohms_per_cell=1.0)
HARDWARE = Hardware(weight_bits=2, programming="reset-set").replace(**{"dac.vmax": 0.6, "device.read_disturb": True})
WIRED = HARDWARE.replace(wires=WIRES)


def network() -> tuple[nn.Linear, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    layer = nn.Linear(INPUTS, OUTPUTS, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
    return layer, torch.randn(200, INPUTS, generator=generator).clamp(-2.5, 2.5)


def chip_of(hardware: Hardware) -> nn.Module:
    layer, batch = network()
    memrix.calibrate(layer, [batch], hardware, percentile=100)
    return memrix.program(layer, hardware)


def array_of(chip: nn.Module):
    return chip.memrix.programmed.crossbar


def read(chip: nn.Module) -> torch.Tensor:
    memrix.reseed(chip, read=1)
    with torch.no_grad():
        return chip(network()[1])


@pytest.fixture(scope="module")
def disturbed() -> nn.Module:
    chip = chip_of(WIRED)
    read(chip)
    array_of(chip).settle_()
    return chip


def conductances(pairs) -> torch.Tensor:
    parameters = WIRED.parameters
    low, high = parameters.low_resistance_conductance, parameters.high_resistance_conductance
    states = torch.stack((pairs.total + pairs.difference, pairs.total - pairs.difference)) / 2
    return (low - states * (low - high)).clamp(min=0)


def as_programmed():
    layout = WIRED.layout(1, INPUTS, OUTPUTS)
    chip = chip_of(WIRED)
    integers = integers_of(chip)[1]
    return program_pairs(integers, layout, WIRED.technology, seeds=Seeds(), name=chip.memrix.name), layout


def test_each_cell_is_given_the_share_of_its_driver_that_arrives(disturbed):
    pairs, _ = as_programmed()
    lines = array_of(disturbed).word_lines
    voltages, currents = WIRES.shares(conductances(pairs))
    polarity, pair = lines.places % 2, lines.places // 2
    expected = [shares.flatten(1)[polarity, pair] for shares in (voltages, voltages * currents)]
    torch.testing.assert_close(lines.voltage, expected[0], rtol=1e-5, atol=0)
    torch.testing.assert_close(lines.current, expected[1], rtol=1e-5, atol=0)
    assert float(lines.voltage.min()) < 0.93 < 0.99 < float(lines.voltage.max()) < 1


def test_cells_switch_at_the_voltage_that_arrives(disturbed):
    """Those that are SET are those whose threshold the lowest voltage of their line reaches behind the wires."""
    fresh, lines = array_of(chip_of(WIRED)).word_lines, array_of(disturbed).word_lines
    codes = (network()[1] / network()[1].abs().max() * 128).round().long() + 128
    volts = torch.from_numpy(WIRED.dac.voltages(CellCurrent(WIRED.parameters))).float()
    line = fresh.places // (2 * OUTPUTS)
    lowest, highest = volts[codes.amin(0)][line], volts[codes.amax(0)][line]
    sets, resets = fresh.set_threshold >= lowest * fresh.voltage, fresh.reset_threshold < highest * fresh.voltage
    assert torch.equal(lines.r != fresh.r, sets | resets)
    assert 20 < int(sets.sum()) < 0.8 * int((fresh.set_threshold >= lowest).sum())
    assert memrix.summary(disturbed).read_sets == int(sets.sum())


def test_what_they_change_is_what_wires_solved_anew_would_give(disturbed):
    """A cell that is SET counts by its share of before; that it loads its lines more is of second order."""
    pairs, layout = as_programmed()
    array, lines = array_of(disturbed), array_of(disturbed).word_lines

    def seen():
        return through_wires(pairs, layout, WIRED.technology, WIRES, volts=0.6, temperature=300.0)

    before = seen()
    sign, pair = 1 - 2 * (lines.places % 2), lines.places // 2
    states = (pairs.total.view(-1)[pair] + sign * pairs.difference.view(-1)[pair]) / 2
    pairs.difference.view(-1).index_add_(0, pair, sign * (lines.r - states))
    pairs.total.view(-1).index_add_(0, pair, lines.r - states)
    after = seen()
    for name in ("difference", "total"):
        found, expected, start = (getattr(each, name) for each in (array, after, before))
        assert (found - expected).norm() < 0.15 * (expected - start).norm()
        # Without the shares, the changes would be a third too large.
        assert (expected - start).norm() > 0


def test_reach_is_that_behind_the_wires():
    wired, ideal = (memrix.summary(chip_of(hardware)).within_reach for hardware in (WIRED, HARDWARE))
    assert 0 < wired < 0.85 * ideal


def test_they_are_part_of_a_file_and_of_a_state_dict(disturbed, tmp_path):
    chip = chip_of(WIRED)
    read(chip)
    memrix.save(chip, tmp_path / "chip.safetensors")
    loaded = memrix.load(tmp_path / "chip.safetensors", network()[0])
    assert torch.equal(read(loaded), read(chip))
    other = chip_of(WIRED)
    other.load_state_dict(chip.state_dict())
    assert torch.equal(array_of(other).word_lines.voltage, array_of(chip).word_lines.voltage)


def test_an_aged_chip_has_the_shares_of_its_aged_cells():
    chip = chip_of(WIRED.replace(drift=memrix.Drift(exponent=0.05)))
    aged = memrix.age(chip, seconds=1e6)
    old, young = array_of(aged).word_lines, array_of(chip).word_lines
    assert bool((old.voltage > young.voltage).all())  # cells that conduct less load their lines less


def test_stored_shares_are_checked(disturbed):
    stored = array_of(disturbed).word_lines.stored()
    layout = array_of(disturbed).layout

    def problems(wired: bool = True, **changes) -> list[str]:
        changed = {name: changes.get(name, tensor) for name, tensor in stored.items()}
        return stored_problems({n: t for n, t in changed.items() if t is not None}, layout, 128, wired=wired)

    assert problems() == []
    assert problems(voltage=stored["voltage"] + 1) == ["voltage must lie between 0 and 1"]
    assert problems(noise=stored["noise"] * torch.nan)[0] == "noise must lie between 0 and 1"
    assert "current is missing" in problems(current=None)
    assert "voltage is not part of it, without wires" in problems(wired=False)
    assert "current is torch.float32" in problems(current=stored["current"][1:])[0]
