"""Cells within reach of readings: those of fresh arrays are drawn from a shortcut, and must be Synaptogen's."""

import numpy as np
import pytest
import synaptogen.synaptogen as reference
import torch
from scipy.stats import ks_2samp

from memrix._support.streams import Stream
from memrix.device import Cells, FreshCells, ReadRange, WithinReach, load_parameters
from memrix.device.block import BLOCK_AXES
from memrix.device.draws import CellStreams
from tests.oracle import fresh_cells

CELLS = 1 << 17
EVERYONE = ReadRange(-1e6, 1e6, kept=True)  # every cell is within its reach


def draw(on: torch.Tensor, reads: ReadRange, seed: int = 1) -> tuple[torch.Tensor, WithinReach]:
    chip, programming = Stream.of(seed, "chip"), Stream.of(seed, "programming")
    return FreshCells(load_parameters()).draw_within(reads, on, chip=chip, programming=programming)


def package(on: bool) -> tuple[np.ndarray, np.ndarray]:
    """States and the thresholds that decide next, of cells of the numpy package after reset-set."""
    cells = fresh_cells(CELLS, seed=6)
    cells.inHRS[:] = True
    reference.applyVoltage(cells, 2.0)
    if on:
        reference.applyVoltage(cells, -2.0)
    return cells.r.copy(), (cells.UR if on else reference.US(cells)).copy()


@pytest.mark.parametrize("on", [False, True])
def test_thresholds_are_distributed_with_their_states_as_in_the_numpy_package(on):
    expected_states, expected = package(on)
    states, within = draw(torch.full((CELLS,), on), EVERYONE)
    thresholds = (within.cells.reset_threshold if on else within.cells.set_threshold).numpy()
    assert ks_2samp(thresholds, expected).pvalue > 0.01
    # The tails, where readings reach, and what ties a threshold to the state of its cell.
    for low, high in ((0.0, 0.1), (0.9, 1.0)):
        some, others = (
            threshold[(state >= np.quantile(state, low)) & (state <= np.quantile(state, high))]
            for state, threshold in ((states.numpy(), thresholds), (expected_states, expected))
        )
        assert ks_2samp(some, others).pvalue > 0.01


def test_fresh_cells_are_those_of_the_whole_simulation():
    """States, thresholds, and all that their future depends on, bit for bit."""
    on = torch.arange(CELLS) % 3 == 0
    states, within = draw(on, EVERYONE)
    streams = CellStreams.of_layer(Stream.of(1, "chip"), Stream.of(1, "programming"))
    cells = Cells(CELLS, seed=streams)
    cells.apply_voltage(2.0)
    cells.apply_voltage(-2.0, where=on)
    assert torch.equal(states, cells.r)
    whole = cells._block.chosen(within.index)
    for name in ("r", *BLOCK_AXES, "numbers"):
        assert torch.equal(getattr(within.cells, name), getattr(whole, name)), name
    assert within.cells.stream == whole.stream


def test_states_do_not_depend_on_who_asks_for_reach():
    on = torch.arange(CELLS) % 3 == 0
    chip, programming = Stream.of(1, "chip"), Stream.of(1, "programming")
    alone = FreshCells(load_parameters()).draw(on, chip=chip, programming=programming)
    states, within = draw(on, EVERYONE)
    assert torch.equal(states, alone)
    torch.testing.assert_close(within.cells.r, states[within.index], rtol=0, atol=1e-5)
    known = draw(on, ReadRange(-0.6, 0.6))[1]
    kept = draw(on, ReadRange(-0.6, 0.6, kept=True))[1]
    assert torch.equal(known.index, kept.index)
    assert known.cells is None


@pytest.mark.parametrize(
    ("volts", "per_million"), [(-0.6, 111_000), (-0.5, 500), (-0.45, 110), (-0.4, 30), (0.6, 585), (0.4, 0)]
)
def test_shares_within_reach_are_those_of_single_cells(volts, per_million):
    """Measured on cells one by one: 11.1 % at -0.6 V, 0.05 % at -0.5 V, 6 in 10,000 ON cells at 0.6 V."""
    count = 1 << 20
    reads = ReadRange(min(volts, 0.0), max(volts, 0.0))
    _, within = draw(torch.full((count,), volts > 0), reads)
    found = len(within.index) / count * 1e6
    assert found == pytest.approx(per_million, rel=0.2, abs=20)
    assert len(within.index) == int((within.sets if volts < 0 else within.resets).sum())


def test_cells_tell_which_of_them_a_reading_would_switch():
    cells = Cells(50_000, seed=2)
    cells.apply_voltage(-2.0, where=torch.arange(50_000) % 2 == 0)
    within = cells.within_reach(ReadRange(-0.6, 0.65))
    sets, resets = cells.disturbed(-0.6), cells.disturbed(0.65)
    assert torch.equal(within.index, (sets | resets).nonzero().squeeze(1))
    assert torch.equal(within.sets, sets[within.index])
    assert torch.equal(within.resets, resets[within.index])
    assert 0 < int(within.resets.sum()) < int(within.sets.sum())


def test_blocks_of_different_ages_join_with_their_histories():
    young, old = Cells(3, seed=1), Cells(4, seed=1)
    for volts in [-2.0, 2.0] * 12:
        old.apply_voltage(volts)
    joined = WithinReach.joined([cells.within_reach(EVERYONE) for cells in (young, old)], [3, 4])
    assert joined.index.tolist() == [0, 1, 2, 3, 4, 5, 6]
    for cells in (young, old):
        cells._switching.next_cycle_(cells._block, torch.arange(len(cells.r)))
    old._switching.next_cycle_(joined.cells, torch.arange(7))
    assert torch.equal(joined.cells.features, torch.cat([young._block.features, old._block.features], dim=1))
