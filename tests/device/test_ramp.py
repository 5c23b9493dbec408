"""Ramps at a stroke against the same pulses and readings one by one."""

import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from memrix import Seeds
from memrix.crossbar.protocols.read_back import ReadBack
from memrix.device import Cells
from memrix.errors import SettingsError

CELLS = 20_000
VOLTS = np.arange(0.5, 1.455, 0.01).tolist()
ON_CURRENT = 4.2e-5  # A at 0.2 V
AIMS = torch.linspace(0.1, 1.05, CELLS)[torch.randperm(CELLS, generator=torch.Generator().manual_seed(0))]


def circuit(bandwidth: float = 1e8, voltage: float = 0.2) -> ReadBack:
    return ReadBack(voltage=voltage, bits=10, bandwidth=bandwidth, unit=ON_CURRENT * voltage / 0.2)


def cells_that_are_on(seed: int = 1) -> Cells:
    cells = Cells(CELLS, seed=seed)
    normals = np.random.default_rng(seed).standard_normal((8, 4, CELLS), dtype=np.float32)
    drawn = np.zeros(CELLS, dtype=np.int64)

    def by_cycle(index: torch.Tensor) -> torch.Tensor:
        """Every cell has a sequence of its own, in whatever order cells draw."""
        values = normals[drawn[index], :, index.numpy()].T
        drawn[index] += 1
        return torch.from_numpy(values.copy())

    (block,) = cells._blocks
    block.normals = by_cycle
    cells.apply_voltage(-2.0)
    return cells


@dataclass
class OneByOne:
    """The plain procedure."""

    cells: Cells
    readings: torch.Tensor

    @classmethod
    def run(cls, cells: Cells, reader: ReadBack, where: torch.Tensor, volts: list[float]) -> "OneByOne":
        active, readings = where.clone(), torch.zeros(CELLS)
        for volt in (0.0, *volts):
            cells.apply_voltage(volt, where=active)
            readings = torch.where(active, reader.read(cells, active), readings)
            active &= readings > AIMS
        return cls(cells, readings)


EVERYONE = torch.ones(CELLS, dtype=torch.bool)


@pytest.mark.parametrize("where", [EVERYONE, torch.arange(CELLS) % 3 == 0], ids=["all", "a third"])
@pytest.mark.parametrize("voltage", [0.2, 0.6])
def test_without_noise_every_cell_ends_where_pulses_one_by_one_bring_it(where, voltage):
    reader = circuit(bandwidth=1.0, voltage=voltage)
    expected = OneByOne.run(cells_that_are_on(), reader, where, VOLTS)
    cells = cells_that_are_on()
    readings = cells.ramp(VOLTS, AIMS, reader, where)
    torch.testing.assert_close(cells.r, expected.cells.r, rtol=0, atol=2e-6)
    # A current on the edge of two codes may fall to either side of it.
    torch.testing.assert_close(readings, expected.readings, rtol=0, atol=1.01 * reader.step)
    assert (readings != expected.readings).float().mean() < 1e-3
    for count in ("pulses", "reads", "disturbing_reads"):
        assert getattr(cells, count) == getattr(expected.cells, count), count
    assert cells.energy == pytest.approx(expected.cells.energy, rel=1e-5)
    assert torch.equal(cells.cycles, expected.cells.cycles)


def test_what_comes_after_a_ramp_is_the_same_too():
    reader = circuit(bandwidth=1.0)
    expected = OneByOne.run(cells_that_are_on(), reader, EVERYONE, VOLTS).cells
    cells = cells_that_are_on()
    cells.ramp(VOLTS, AIMS, reader, EVERYONE)
    for volts in (1.2, 2.0, -2.0, 1.0, 2.0, -0.7):
        expected.apply_voltage(volts)
        cells.apply_voltage(volts)
        torch.testing.assert_close(cells.r, expected.r, rtol=1e-5, atol=2e-5)


def test_with_noise_the_statistics_are_the_same():
    reader = circuit(bandwidth=1e10)  # ten times the usual noise
    expected = OneByOne.run(cells_that_are_on(), reader, EVERYONE, VOLTS)
    cells = cells_that_are_on()
    readings = cells.ramp(VOLTS, AIMS, reader, EVERYONE)
    assert ks_2samp(readings - AIMS, expected.readings - AIMS).pvalue > 1e-3
    assert ks_2samp(cells.r - expected.cells.r.mean(), expected.cells.r - expected.cells.r.mean()).pvalue > 1e-3
    assert cells.pulses == pytest.approx(expected.cells.pulses, rel=2e-3)
    assert cells.reads == pytest.approx(expected.cells.reads, rel=2e-3)
    assert cells.energy == pytest.approx(expected.cells.energy, rel=2e-3)
    # Noise stops cells early, at a higher current than without it: the ramps see it.
    assert float((readings - AIMS)[AIMS < 0.9].mean()) < -0.005


def cells_that_dip(off: torch.Tensor | float) -> Cells:
    """Cells that are ON, with a next OFF state that conducts nearly as well: their currents fall, and rise again.

    Five cells in a million are so; here all are made so.
    """
    cells = cells_that_are_on()
    state = cells.state_dict()
    state["ahead"][:, -1, 0] = off
    state["left"][:] = 1
    cells.load_state_dict(state)
    return cells


@pytest.mark.parametrize("off", [0.3, torch.linspace(0.2, 0.3, CELLS)], ids=["all the same", "spread"])
def test_cells_whose_current_rises_along_the_ramp_are_found_all_the_same(off, monkeypatch):
    reader = ReadBack(voltage=0.2, bits=14, bandwidth=1.0, unit=ON_CURRENT)
    alone = cells_that_dip(off)
    curves = [reader.read(alone, EVERYONE)]
    for volt in VOLTS:
        alone.apply_voltage(volt)
        curves.append(reader.read(alone, EVERYONE))
    lowest = torch.stack(curves).min(dim=0).values
    # Aims that a search which takes the last step for the lowest would never reach.
    monkeypatch.setattr(sys.modules[__name__], "AIMS", lowest + 1e-4)
    dips = (curves[-1] - lowest > 2e-4) & (curves[0] - lowest > 4e-4)
    assert dips.sum() > 1000
    expected = OneByOne.run(cells_that_dip(off), reader, dips, VOLTS).cells
    together = cells_that_dip(off)
    together.ramp(VOLTS, AIMS, reader, dips)
    torch.testing.assert_close(together.r, expected.r, rtol=0, atol=1e-4)
    # A current on the edge of two codes may stop a cell a pulse earlier.
    assert together.pulses == pytest.approx(expected.pulses, abs=5)
    one = torch.zeros_like(dips)
    one[dips.nonzero()[0]] = True
    single = cells_that_dip(off)
    single.ramp(VOLTS, AIMS, reader, one)
    torch.testing.assert_close(single.r[one], expected.r[one], rtol=0, atol=1e-4)


@pytest.mark.parametrize("volts", [[1.0], [0.9, 1.2]], ids=str)
def test_short_ramps_are_as_one_by_one(volts):
    reader = circuit(bandwidth=1.0)
    expected = OneByOne.run(cells_that_are_on(), reader, EVERYONE, volts)
    cells = cells_that_are_on()
    readings = cells.ramp(volts, AIMS, reader, EVERYONE)
    torch.testing.assert_close(cells.r, expected.cells.r, rtol=0, atol=2e-6)
    torch.testing.assert_close(readings, expected.readings, rtol=0, atol=1.01 * reader.step)
    assert cells.pulses == expected.cells.pulses


def test_a_cell_that_never_reached_its_aim_was_last_read_above_it(monkeypatch):
    ended = cells_that_are_on()
    ended.ramp(VOLTS, torch.zeros(CELLS), circuit(), EVERYONE)
    # Where every cell ends up: the last reading decides.
    monkeypatch.setattr(sys.modules[__name__], "AIMS", circuit(bandwidth=1.0).read(ended, EVERYONE))
    noisy = circuit(bandwidth=1e9)
    expected = OneByOne.run(cells_that_are_on(), noisy, EVERYONE, VOLTS).readings > AIMS
    readings = cells_that_are_on().ramp(VOLTS, AIMS, noisy, EVERYONE) > AIMS
    assert readings.float().mean() == pytest.approx(float(expected.float().mean()), abs=0.02)


def test_cells_outside_the_mask_are_left_alone():
    cells = cells_that_are_on()
    before = cells.r.clone()
    readings = cells.ramp(VOLTS, AIMS, circuit(), torch.arange(CELLS) < 5)
    assert torch.equal(cells.r[5:], before[5:])
    assert not readings[5:].any()


def test_several_blocks_are_ramped_with_noise_of_their_own_and_repeat(monkeypatch):
    monkeypatch.setattr("memrix.device.cells.BLOCK", 1 << 15)
    runs = []
    for _ in range(2):
        cells = Cells(140_000, seed=Seeds(1, 2, 3))
        cells.apply_voltage(-2.0)
        cells.ramp(VOLTS, torch.full((140_000,), 0.5), circuit(), torch.ones(140_000, dtype=torch.bool))
        runs.append(cells.r.clone())
    assert torch.equal(*runs)


@pytest.mark.parametrize("before", [[1.0], [0.9, 1.3], [2.0], [-2.0, 1.1, -2.0, 0.8]], ids=str)
def test_cells_in_any_state_are_ramped_as_one_by_one(before):
    reader = circuit(bandwidth=1.0)
    pair = [cells_that_are_on() for _ in range(2)]
    for cells in pair:
        for volts in before:
            cells.apply_voltage(volts, where=torch.arange(CELLS) % 2 == 0)
    expected = OneByOne.run(pair[0], reader, EVERYONE, VOLTS).cells
    pair[1].ramp(VOLTS, AIMS, reader, EVERYONE)
    torch.testing.assert_close(pair[1].r, expected.r, rtol=0, atol=2e-6)
    assert torch.equal(pair[1].cycles, expected.cycles)
    assert pair[1].pulses == expected.pulses


@pytest.mark.parametrize("volts", [[], [0.0, 1.0], [0.5, 0.5], [0.9, 0.8], [0.5, float("inf")], [1.0, 1.46]])
def test_voltages_must_rise(volts):
    with pytest.raises(SettingsError, match="must rise from above 0 V"):
        Cells(3).ramp(volts, torch.ones(3), circuit(), torch.ones(3, dtype=torch.bool))


def test_aims_must_be_numbers():
    with pytest.raises(SettingsError, match="an aim of a ramp is NaN or infinite"):
        Cells(2).ramp([0.5], torch.tensor([0.5, torch.nan]), circuit(), torch.ones(2, dtype=torch.bool))


def test_aims_must_fit():
    with pytest.raises(SettingsError, match=r"the cells' shape \(3,\), got torch\.float32 of shape \(4,\)"):
        Cells(3).ramp([0.5], torch.ones(4), circuit(), torch.ones(3, dtype=torch.bool))
