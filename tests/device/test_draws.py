"""A seed is a contract: what each cell draws is a function of seeds, its number and the number of the draw alone."""

import itertools

import pytest
import torch

from memrix import Hardware, Seeds
from memrix._support import compilation
from memrix._support.streams import Stream
from memrix.crossbar import Drift, Faults, PreCycled, ResetRamp, ResetSet, WriteVerify, age_, program_pairs
from memrix.crossbar.mapping import Tile
from memrix.crossbar.pairs import rows_in_use
from memrix.crossbar.protocols.resampled import Resampled
from memrix.crossbar.protocols.wear import wear_voltages
from memrix.device import Cells, FreshCells, PulseVoltages, ReadRange, load_parameters
from memrix.device.block import BLOCK_AXES
from memrix.device.draws import CellStreams, cycle_normals, device_normals, reading_normals

PARAMETERS = load_parameters()
NOMINAL = (0.16, 0.84)
CHIP, PROGRAMMING = Stream.of(1, "chip", "layer"), Stream.of(2, "programming", "layer")
STREAMS = {"chip": CHIP, "programming": PROGRAMMING}
NUMBERS = torch.tensor([0, 1, 1 << 40])
PROTOCOLS = [ResetSet(), PreCycled(1), WriteVerify(), ResetRamp(0.05), Resampled(ResetRamp(step=0.05))]
READS = ReadRange(-0.6, 0.6, kept=True)

# What was drawn when version 2 of the streams began.
WORDS = [1114, 24517, 13117]
DEVICES = [[0.335691, 0.350295, -1.193882], [0.593697, -0.683624, 0.310304], [0.765643, 0.696485, -0.452652]]
CYCLES = [
    [1.415985, -0.350905, 0.299005],
    [-0.623525, -0.605922, 0.474371],
    [0.119639, -0.388049, 0.472318],
    [0.021287, 1.149361, 0.624454],
]
READINGS = [[0.136801, 0.166245, 0.875958]]
WEAR = [[1.449615, 1.339447], [-1.01474, 1.89328]]
OWN = [[1.635081, -0.607623, 1.07599], [1.829436, 0.957716, -0.416249]]
FRESH = [[0.867721, 0.176911, 0.831993, 0.071223]]
STUCK = [273, 511, 1400, 1850]
DRIFTED = [[0.564339, 0.386358, 0.58342]]
RESAMPLED = [[0.748118, 0.529115, 0.270866]]
RAMPED = [[0.755652, 0.516231, 0.261021]]


@pytest.fixture(params=["compiled", "tensors"])
def backend(request, monkeypatch):
    monkeypatch.setattr(compilation, "AVAILABLE", compilation.AVAILABLE and request.param == "compiled")


def pinned(values: torch.Tensor, expected: list[list[float]]) -> None:
    torch.testing.assert_close(values.double(), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-6)


def test_first_draws_of_every_stream_are_what_they_were(backend):
    """Changing them takes another version of the streams."""
    streams = CellStreams.of_layer(CHIP, PROGRAMMING)
    word, devices = device_normals(streams.devices, NUMBERS)
    assert word.tolist() == WORDS
    pinned(devices[[0, 6, 7]], DEVICES)
    pinned(cycle_normals(streams.cycles, NUMBERS, torch.tensor([0, 1, 2])), CYCLES)
    pinned(reading_normals(streams.readings, NUMBERS, torch.tensor([0, 9, 7]))[None], READINGS)
    pinned(wear_voltages(1, torch.tensor([0, 5]), PulseVoltages(-2.0, 2.0), PROGRAMMING)[[0, 14]], WEAR)
    own = CellStreams.of_seeds(Seeds(1, 2, 3))
    pinned(torch.stack([device_normals(own.devices, NUMBERS)[1][0], cycle_normals(own.cycles, NUMBERS, 0)[0]]), OWN)


def test_first_cells_are_what_they_were(backend):
    on = torch.tensor([False, True, False, True])
    pinned(FreshCells(PARAMETERS).draw(on, **STREAMS)[None], FRESH)
    states = torch.full((100_000,), 0.5)
    Faults(0.001, 0.001).apply_(states, (0.16, 0.84), CHIP)
    assert (states != 0.5).nonzero().flatten()[:4].tolist() == STUCK
    states = torch.full((3,), 0.16)
    Drift(1e6, 0.05, 0.02).apply_(states, PARAMETERS, NOMINAL, CHIP)
    pinned(states[None], DRIFTED)
    levels = torch.tensor([0.0, 0.5, 1.0])
    pinned(Resampled(ResetRamp(step=0.05)).program(levels, PARAMETERS, **STREAMS).states[None], RESAMPLED)
    pinned(ResetRamp().program(levels, PARAMETERS, **STREAMS).states[None], RAMPED)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_cells_do_not_depend_on_what_is_programmed_with_them(protocol, backend):
    """A part of the cells, by its first number, is that part of all of them."""
    # All are programmed in several blocks, of 5000 or 32768 cells, whose borders the part crosses.
    on = torch.arange(40_000) % 3 == 0
    begin, end = 29_000, 33_000
    every = protocol.program(on, PARAMETERS, **STREAMS, first=100, reads=READS)
    part = protocol.program(on[begin:end], PARAMETERS, **STREAMS, first=100 + begin, reads=READS)
    assert torch.equal(part.states, every.states[begin:end])
    inside = (every.within_reach.index >= begin) & (every.within_reach.index < end)
    assert torch.equal(part.within_reach.index + begin, every.within_reach.index[inside])
    chosen = every.within_reach.chosen(inside).cells
    for name in ("r", "numbers", *(name for name in BLOCK_AXES if name != "history")):
        assert torch.equal(getattr(part.within_reach.cells, name), getattr(chosen, name)), name


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_threads_and_backends_give_the_same_cells(protocol, monkeypatch):
    on = torch.arange(40_000) % 3 == 0
    threads, results = torch.get_num_threads(), []
    protocol.nominal_states(PARAMETERS)
    try:
        for count, available in itertools.product((1, 2), {compilation.AVAILABLE, False}):
            monkeypatch.setattr(compilation, "AVAILABLE", available)
            torch.set_num_threads(count)
            results.append(protocol.program(on, PARAMETERS, **STREAMS))
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert torch.equal(result.states, results[0].states)
        assert result.report == results[0].report
    assert (results[0].report.energy > 0) == (results[0].report.pulses > 0)


def test_the_same_cell_is_the_same_device_under_every_protocol():
    """Reset-set leaves what pulses leave, and the first pulses of every protocol are the same."""
    on = torch.arange(2000) % 2 == 0
    fresh = ResetSet().program(on, PARAMETERS, **STREAMS).states
    assert torch.equal(PreCycled(0).program(on, PARAMETERS, **STREAMS).states, fresh)
    assert torch.equal(WriteVerify(1, tolerance=10.0).program(on, PARAMETERS, **STREAMS).states, fresh)


def test_planes_that_are_programmed_together_change_nothing():
    hardware = Hardware(
        weight_bits=4,
        programming=PreCycled(1),
        tile=Tile(16, 8),
        faults=Faults(0.01, 0.01),
        drift=Drift(1e4, 0.05, 0.02),
    )
    integers = torch.randint(-7, 8, (2, 20, 12), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    layout, technology, seeds = hardware.layout(*integers.shape), hardware.technology, Seeds(1, 2, 3)
    pairs = program_pairs(integers, layout, technology, seeds=seeds, name="layer")
    age_(pairs, layout, technology, seeds=seeds, name="layer")
    chip, faults, drift = (Stream.of(1, use, "layer") for use in ("chip", "faults", "drift"))
    programming = Stream.of(2, "programming", "layer")
    difference = rows_in_use(pairs.difference, layout)
    for plane, positive, negative in layout.targets(integers):
        first = layout.first_cell(plane)
        targets = torch.stack([positive, negative])
        arrays = layout.arrays([plane], integers.device)
        states = technology.protocol.program(
            targets, technology.parameters, chip=chip, programming=programming, first=first, arrays=arrays
        ).states
        technology.faults.apply_(states, technology.nominal_states, faults, first)
        technology.drift.apply_(states, technology.parameters, technology.nominal_states, drift, first)
        technology.faults.apply_(states, technology.nominal_states, faults, first)
        # Drift starts from what pairs hold: sums and differences of states, which are rounded.
        torch.testing.assert_close(difference[:, :, plane], states[0] - states[1], rtol=0, atol=1e-6)


def test_numbers_of_cells_follow_from_their_places():
    hardware = Hardware(weight_bits=4, tile=Tile(16, 8))
    layout = hardware.layout(2, 20, 12)
    numbers = torch.arange(layout.cells).view(layout.planes, 2, 2, 20, 12)
    lines = layout.row_tiles * layout.rows
    for plane, polarity, group, row, output in itertools.product((0, 2), (0, 1), (0, 1), (0, 19), (0, 11)):
        pair = ((group * lines + row) * layout.planes + plane) * layout.outputs + output
        place = torch.tensor([2 * pair + polarity])
        assert layout.cell_numbers(place).item() == numbers[plane, polarity, group, row, output]
        assert layout.first_cell(plane) == numbers[plane, 0, 0, 0, 0]


def test_a_cell_that_is_read_many_times_draws_one_number_a_reading(backend):
    one, many = Cells(5, seed=1), Cells(5, seed=1)
    expected = torch.stack([one.read(0.2) for _ in range(20)])
    assert torch.equal(many.read(torch.full((20, 1), 0.2)), expected)
    some = torch.arange(5) < 2
    assert torch.equal(one.read(0.2, some)[:2], many.read(0.2)[:2])
    # The others were not read, and are one reading behind.
    behind = Cells(5, seed=1)
    behind.read(torch.full((20, 1), 0.2))
    assert torch.equal(one.read(0.2)[2:], behind.read(0.2)[2:])


@pytest.mark.skipif(not compilation.AVAILABLE, reason="numba is not there")
@pytest.mark.parametrize("order", [1, 3, 10])
def test_machine_code_and_tensors_simulate_the_same_cells(order, monkeypatch):
    lives = []
    for available in (True, False):
        monkeypatch.setattr(compilation, "AVAILABLE", available)
        cells = Cells(3000, order=order, seed=1)
        generator = torch.Generator().manual_seed(0)
        for _ in range(20):
            cells.apply_voltage(torch.empty(3000).uniform_(-2, 2, generator=generator))
        lives.append([cells.r, cells.energy, cells.read(0.2), *(getattr(cells._block, name) for name in BLOCK_AXES)])
    for compiled, tensors in zip(*lives, strict=True):
        assert compiled == tensors if isinstance(compiled, float) else torch.equal(compiled, tensors)
