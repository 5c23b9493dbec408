"""The usual course of fresh cells, SET and ramp in one go, against cells that are taken pulse by pulse."""

from dataclasses import replace

import pytest
import torch

from memrix._support import compilation
from memrix._support.streams import Stream
from memrix.device import Cells, ReadBack, ReadRange, load_parameters
from memrix.device.draws import CellStreams
from memrix.device.ramp_rounds import RampRounds

pytestmark = pytest.mark.skipif(not compilation.AVAILABLE, reason="a course of machine code")

CELLS = 3000  # no multiple of a tile
STREAMS = CellStreams.of_layer(Stream.of(1, "chip"), Stream.of(1, "programming"), first=77)
CIRCUIT = ReadBack(voltage=0.2, bits=10, bandwidth=1e8, unit=4.2e-5)
WANTED = torch.linspace(0.1, 0.9, CELLS)
USUAL = RampRounds(tuple(0.5 + 0.01 * number for number in range(95)), CIRCUIT, -2.0, 2.0, 1, 0.05)


def ahead(loop, reads=None, wanted=WANTED):
    """What runs ahead, and the states."""
    states = torch.zeros(CELLS)
    return loop.run_fresh(load_parameters(), STREAMS, wanted + 0.01, wanted, reads, states), states


def one_by_one(loop, wanted=WANTED):
    cells = Cells(CELLS, seed=STREAMS)
    loop.run(cells, wanted + 0.01, wanted)
    return cells


LOOPS = {
    "usual": USUAL,
    "tight": replace(USUAL, tolerance=0.004),
    "weak SET": replace(USUAL, set_voltage=-0.9),
    "much noise": replace(USUAL, circuit=replace(CIRCUIT, bandwidth=1e10)),
    "from below the test": replace(USUAL, volts=tuple(0.1 + 0.02 * number for number in range(65))),
    "few steps": replace(USUAL, volts=(0.6, 0.9, 1.0)),
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_cells_end_where_pulses_and_readings_bring_them(loop):
    """Those that stay, and with those that are left all counts too."""
    done, states = ahead(loop)
    cells = one_by_one(loop)
    stay = torch.ones(CELLS, dtype=torch.bool).index_fill_(0, done.left, False)
    assert torch.equal(states[stay], cells.r[stay])
    left = Cells(len(done.left), seed=replace(STREAMS, chosen=done.left))
    loop.run(left, WANTED[done.left] + 0.01, WANTED[done.left])
    assert torch.equal(left.r, cells.r[done.left])
    assert left.pulses + done.pulses == cells.pulses
    assert left.reads + done.reads == cells.reads
    assert left.disturbing_reads == cells.disturbing_reads
    assert left.power + done.power == pytest.approx(cells.power, rel=1e-12)


def test_nearly_all_cells_take_the_usual_course():
    """Below the currents that ON cells begin with."""
    done, _ = ahead(USUAL, wanted=WANTED.clamp(0.2, 0.8))
    assert len(done.left) < 0.02 * CELLS


@pytest.mark.parametrize("reads", [ReadRange(-0.7, 0.0), ReadRange(0.0, 0.8), ReadRange(-0.7, 0.8)], ids=str)
def test_cells_that_readings_may_switch_are_left(reads):
    within = one_by_one(USUAL).within_reach(reads).index
    assert len(within), "some are"
    done, _ = ahead(USUAL, reads)
    assert set(within.tolist()) <= set(done.left.tolist())
    assert len(done.left) < len(within) + len(ahead(USUAL)[0].left) + 1, "and no others"


def test_without_machine_code_nothing_runs_ahead(monkeypatch):
    monkeypatch.setattr(compilation, "AVAILABLE", False)
    done, states = ahead(USUAL)
    assert done is None
    assert not states.any()
