"""Readings that switch cells, against pulses on the same cells one by one."""

import copy

import pytest
import torch
from scipy.stats import ks_2samp
from torch import nn

import memrix
from memrix import Hardware, Seeds
from memrix.crossbar import Crossbar, ExposedCells, Pairs, ProgrammingReport, Reach, program_pairs
from memrix.device import Cells, ReadRange
from memrix.errors import ConversionError, SettingsError
from tests.crossbar.test_crossbar import crossbar

# One plane of pairs: the positive cells of a matrix, then its negative ones.
GROUPS, INPUTS, OUTPUTS = 2, 40, 60
VMAX = 0.75  # V, at which readings RESET cells too
QUIET = Hardware(weight_bits=2, noise="off").replace(**{"tile.rows": 32, "dac.vmax": VMAX})
DISTURBED = QUIET.replace(**{"device.read_disturb": True})
REACH = ReadRange(-VMAX, VMAX, kept=True)


def worn_cells(seed: int = 1) -> Cells:
    """Half of them ON, with a history, and resets that went part of the way."""
    cells = Cells((2, GROUPS, INPUTS, OUTPUTS), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for volts in (2.0, -2.0, 0.7, 2.0, -2.0, 0.7, -2.0, 1.2):
        cells.apply_voltage(volts, where=torch.rand(cells.shape, generator=generator) < 0.6)
    return cells


def array_of(cells: Cells, hardware: Hardware = DISTURBED) -> Crossbar:
    """A crossbar of cells whose readings switch them."""
    layout = hardware.layout(GROUPS, INPUTS, OUTPUTS)
    shape = (GROUPS, layout.row_tiles * layout.rows, OUTPUTS)
    difference, total = torch.zeros(shape), torch.zeros(shape)
    difference[:, :INPUTS], total[:, :INPUTS] = cells.r[0] - cells.r[1], cells.r[0] + cells.r[1]
    within = cells.within_reach(REACH)
    polarity, group, row, output = torch.unravel_index(within.index, cells.shape)
    places = 2 * ((group * shape[1] + row) * OUTPUTS + output) + polarity
    places, order = places.sort()
    exposed = ExposedCells(places, within.cells.chosen(order), REACH)
    tiled = (GROUPS * layout.row_tiles, layout.rows, OUTPUTS)
    pairs = Pairs(difference.view(tiled), total.view(tiled), ProgrammingReport(), (0.16, 0.84))
    array = Crossbar(
        pairs,
        layout=layout,
        circuit=hardware.circuit,
        parameters=hardware.parameters,
        read_seed=0,
        name="test",
    )
    array.expose(exposed, seed=5)
    return array


def difference_of(array: Crossbar) -> torch.Tensor:
    array.settle_()
    return array.difference.view(GROUPS, -1, OUTPUTS)[:, :INPUTS].clone()


def reading(lowest: torch.Tensor, highest: torch.Tensor, vectors: int = 7) -> torch.Tensor:
    """Codes ``[groups, 1, vectors, inputs]`` whose ends on every word line are given ones ``[groups, inputs]``."""
    codes = torch.zeros(GROUPS, 1, vectors, INPUTS, dtype=torch.int16)
    codes[:, 0, 2], codes[:, 0, 5] = lowest.short(), highest.short()
    return codes


def ends(seed: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    lowest = torch.randint(-128, 1, (GROUPS, INPUTS), generator=generator)
    return lowest, torch.randint(0, 129, (GROUPS, INPUTS), generator=generator)


def volts_of(codes: torch.Tensor) -> torch.Tensor:
    return (codes / 128 * VMAX).view(1, GROUPS, INPUTS, 1).expand(2, GROUPS, INPUTS, OUTPUTS)


def test_cells_that_a_reading_sets_take_the_state_that_a_pulse_gives_them():
    cells, (lowest, _) = worn_cells(), ends()
    array = array_of(cells)
    before = difference_of(array)
    array(reading(lowest, torch.zeros_like(lowest)))
    cells.apply_voltage(volts_of(lowest))
    torch.testing.assert_close(difference_of(array), cells.r[0] - cells.r[1], rtol=0, atol=1e-6)
    assert (difference_of(array) != before).float().mean() > 0.01


def test_cells_that_a_reading_resets_move_as_a_pulse_moves_them():
    """Those that stand on a transition exactly, those that leave the ON state as those of a next cycle do."""
    moves = {"reading": [], "pulse": []}
    for seed in range(8):
        cells = worn_cells(seed)
        array, (_, highest) = array_of(cells), ends(seed)
        highest = highest.clamp(min=118)
        on = cells._block.set_threshold.view(cells.shape) == -torch.inf
        resets = cells.disturbed(volts_of(highest))
        array(reading(torch.zeros_like(highest), highest))
        before = cells.r.clone()
        cells.apply_voltage(volts_of(highest))
        changed = difference_of(array) - (before[0] - before[1])
        expected = cells.r - before
        # Of pairs with one cell that is reset.
        alone = resets.sum(0) == 1
        for sign, number in ((1, 0), (-1, 1)):
            standing, leaving = ((alone & resets[number] & state[number]) for state in (~on, on))
            torch.testing.assert_close(sign * changed[standing], expected[number][standing], rtol=0, atol=1e-6)
            moves["reading"].append(sign * changed[leaving])
            moves["pulse"].append(expected[number][leaving])
        torch.testing.assert_close(changed[resets.sum(0) == 0], torch.zeros(int((resets.sum(0) == 0).sum())))
    reading_moves, pulse_moves = (torch.cat(moves[name]).numpy() for name in ("reading", "pulse"))
    assert len(reading_moves) > 30
    assert (reading_moves > 0).all()  # towards the OFF state
    assert ks_2samp(reading_moves, pulse_moves).pvalue > 0.01


def test_a_reading_sees_the_cells_as_they_were_before_it():
    cells, (lowest, highest) = worn_cells(), ends()
    array, untouched = array_of(cells), crossbar_without_disturb(cells)
    codes = reading(lowest, highest)
    assert torch.equal(array(codes), untouched(codes))
    assert not torch.equal(array(codes), untouched(codes))


def crossbar_without_disturb(cells: Cells) -> Crossbar:
    array = array_of(cells)
    array.word_lines = None
    return array


def test_what_counts_is_the_ends_of_what_a_line_has_seen():
    """A thousand readings of less do what the two ends do, and so do the readings one by one."""
    lowest, highest = ends()
    one, many, rest = (array_of(worn_cells()) for _ in range(3))
    one(reading(lowest, highest))
    generator = torch.Generator().manual_seed(9)
    shares = torch.rand(1000, generator=generator)[:, None]
    codes = torch.cat([(shares * end[:, None]).round() for end in (lowest, highest)], dim=1)
    many(torch.cat([codes[:, None], reading(lowest, highest).float()], dim=2))
    assert torch.equal(difference_of(one), difference_of(many))
    before = difference_of(rest)
    rest(torch.zeros(GROUPS, 1, 1000, INPUTS))
    assert torch.equal(difference_of(rest), before)


def test_readings_of_less_than_the_nearest_threshold_do_nothing():
    array = array_of(worn_cells())
    before = difference_of(array)
    full = torch.full((GROUPS, INPUTS), 40)  # 0.23 V
    for _ in range(3):
        array(reading(-full, full))
    assert torch.equal(difference_of(array), before)
    assert int(array.word_lines.passes) == 0


def test_a_cell_that_was_set_and_is_reset_begins_another_cycle():
    """To and fro at 0.75 V, cells that can do both go on switching."""
    array = array_of(worn_cells())
    full = torch.full((GROUPS, INPUTS), 128)
    counts = []
    for _ in range(12):
        array(reading(-full, full))
        array.settle_()
        counts.append(array.word_lines.switched.tolist())
    sets, resets = (torch.tensor(column).diff() for column in zip(*counts, strict=True))
    assert (sets > 0).all()
    assert (resets > 0).all()
    assert int(array.word_lines.cycles.max()) > int(array_of(worn_cells()).word_lines.cycles.max())


def test_noisy_pairs_keep_the_sum_of_their_states_too():
    cells, (lowest, _) = worn_cells(), ends()
    array = array_of(cells, DISTURBED.replace(noise="physical"))
    array(reading(lowest, torch.zeros_like(lowest)))
    cells.apply_voltage(volts_of(lowest))
    array.settle_()
    total = array.total.view(GROUPS, -1, OUTPUTS)[:, :INPUTS]
    torch.testing.assert_close(total, cells.r.sum(0), rtol=0, atol=1e-6)


def test_reach_tells_the_cells_that_are_left():
    cells, (lowest, highest) = worn_cells(), ends()
    array = array_of(cells)
    before = array.reach()
    assert before == Reach(-VMAX, VMAX, int(cells.disturbed(-VMAX).sum()), int(cells.disturbed(VMAX).sum()))
    array(reading(torch.full_like(lowest, -128), torch.zeros_like(highest)))
    assert array.reach().sets == 0


@pytest.mark.parametrize("protocol", ["reset-set", "pre-cycled", "write-verify", "reset-ramp"])
@pytest.mark.parametrize("disturbs", [True, False])
def test_every_protocol_tells_who_is_within_reach(protocol, disturbs):
    hardware = QUIET.replace(programming=protocol, **{"dac.vmax": 0.6, "device.read_disturb": disturbs})
    weights = torch.zeros(1, 64, 256, dtype=torch.int32)
    layout = hardware.layout(*weights.shape)
    pairs = program_pairs(weights, layout, hardware.technology, seeds=Seeds(3), name="test")
    # OFF cells: 11 % of fresh ones, as on single cells of the reference.
    assert pairs.reach.sets / layout.cells == pytest.approx(0.111, abs=0.008)
    assert pairs.reach.resets <= 3e-4 * layout.cells
    assert (pairs.exposed is None) == (not disturbs)


def test_counts_are_those_of_the_cells_that_are_kept():
    hardware = QUIET.replace(weight_bits=4)
    weights = torch.randint(-7, 8, (1, 100, 100), generator=torch.Generator().manual_seed(1), dtype=torch.int32)

    def pairs(disturbs: bool) -> Pairs:
        chosen = hardware.replace(**{"device.read_disturb": disturbs})
        layout = chosen.layout(*weights.shape)
        return program_pairs(weights, layout, chosen.technology, seeds=Seeds(3), name="test")

    known, kept = pairs(False), pairs(True)
    assert torch.equal(known.difference, kept.difference)
    assert known.reach == kept.reach
    assert known.reach.sets + known.reach.resets == len(kept.exposed.places)
    places = kept.exposed.places
    states = (kept.total.view(-1)[places // 2] + (1 - 2 * (places % 2)) * kept.difference.view(-1)[places // 2]) / 2
    torch.testing.assert_close(states, kept.exposed.cells.r, rtol=0, atol=1e-6)


def test_ideal_and_stuck_cells_are_not_disturbed():
    weights = torch.zeros(1, 64, 64, dtype=torch.int32)
    for changes in ({"programming": "ideal"}, {"faults.stuck_off": 1.0}):
        hardware = DISTURBED.replace(**changes)
        array = crossbar(hardware, weights)
        assert array.programmed_reach == Reach(-VMAX, VMAX, 0, 0)
    layout, technology = hardware.layout(*weights.shape), DISTURBED.technology
    pairs = program_pairs(weights, layout, technology, seeds=Seeds(), name="test")
    stuck = DISTURBED.replace(**{"faults.stuck_off": 0.5}).technology
    half = program_pairs(weights, layout, stuck, seeds=Seeds(), name="test")
    assert half.reach.sets == pytest.approx(pairs.reach.sets / 2, rel=0.15)


def test_a_protocol_that_does_not_tell_is_refused_where_readings_disturb():
    class Silent(type(DISTURBED.programming)):
        def program(self, *args, reads=None, **options):
            return super().program(*args, **options)

    weights = torch.zeros(1, 8, 8, dtype=torch.int32)
    assert crossbar(QUIET.replace(programming=Silent()), weights).reach() is None
    with pytest.raises(SettingsError, match="does not tell which cells are within reach"):
        crossbar(DISTURBED.replace(programming=Silent()), weights)


def network() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(12, 16)
            self.conv = nn.Conv1d(16, 24, 3, padding=1)
            self.lstm = nn.LSTM(24, 20, batch_first=True)
            self.out = nn.Linear(20, 8)

        def forward(self, index):
            states = self.conv(self.table(index).transpose(1, 2)).transpose(1, 2)
            return self.out(self.lstm(states)[0])

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net()


INDEX = torch.arange(60).view(5, 12) % 12
LAYERS = {"*": Hardware().replace(weight_bits=3, **{"dac.vmax": VMAX, "device.read_disturb": True})}
ALL = {**LAYERS, "table": LAYERS["*"]}


def disturbed_chip(model: nn.Module) -> nn.Module:
    memrix.calibrate(model, [INDEX], LAYERS)
    return memrix.program(model, ALL, seed=1).eval()


def read(chip: nn.Module, seed: int = 4) -> torch.Tensor:
    memrix.reseed(chip, read=seed)
    with torch.inference_mode():
        return chip(INDEX).clone()


def test_all_kinds_of_layers_are_disturbed_and_tell():
    chip = disturbed_chip(network())
    first = read(chip)
    summary = memrix.summary(chip)
    by_name = {layer.name: layer for layer in summary.layers}
    for name in ("conv", "lstm.ih_l0", "lstm.hh_l0", "out"):
        assert by_name[name].reach.sets > 0.05 * by_name[name].cells
        assert by_name[name].read_sets + by_name[name].read_resets > 0, name
    # An index drives the largest code, and never a negative one.
    assert (by_name["table"].reach.lowest, by_name["table"].reach.sets) == (0.0, 0)
    assert summary.read_sets == sum(layer.read_sets for layer in summary.layers)
    assert f"readings have SET {summary.read_sets:,} cells" in str(summary)
    assert summary.to_dict()["within_reach"] == summary.within_reach
    assert not torch.equal(read(chip), first)


def test_a_copy_and_a_file_go_on_as_the_chip_does(tmp_path):
    model = network()
    chip = disturbed_chip(model)
    read(chip)
    memrix.save(chip, tmp_path / "chip.safetensors")
    others = [copy.deepcopy(chip), memrix.load(tmp_path / "chip.safetensors", model).eval()]
    for _ in range(3):
        expected = read(chip)
        for other in others:
            assert torch.equal(read(other), expected)
    assert memrix.summary(others[1]).to_dict()["read_sets"] == memrix.summary(chip).read_sets


def test_a_state_dict_carries_what_has_been_switched():
    model = network()
    chip, other = disturbed_chip(model), memrix.program(model, ALL, seed=2).eval()
    read(chip)
    other.load_state_dict(chip.state_dict())
    for _ in range(2):
        assert torch.equal(read(other), read(chip))


def test_a_file_whose_word_lines_were_changed_is_refused(tmp_path):
    from memrix._support.archive import read_archive, write_archive
    from memrix.checkpoint.files import CHIP
    from memrix.errors import CheckpointError

    model = network()
    memrix.save(disturbed_chip(model), tmp_path / "chip.safetensors")
    tensors, description = read_archive(tmp_path / "chip.safetensors", CHIP)
    key = "out.memrix.array.crossbar.word_lines."
    for name, value, message in (
        ("places", tensors[key + "places"] + 10**6, "places must lie between 0 and"),
        ("cycles", tensors[key + "cycles"] - 100, "cycles must lie between 0 and"),
        ("r", tensors[key + "r"][1:], r"r is torch\.float32"),
        ("seen", tensors[key + "seen"] + 1000, "seen must lie between -128 and 128"),
        ("features", tensors[key + "features"] * torch.nan, r"features'? holds NaN"),
        ("passes", None, r"passes'? is missing"),
    ):
        changed = {**tensors, key + name: value}
        write_archive(
            tmp_path / "other.safetensors", {k: v for k, v in changed.items() if v is not None}, description
        )
        with pytest.raises(CheckpointError, match=message):
            memrix.load(tmp_path / "other.safetensors", model)


def test_training_mode_and_gradients_leave_disturbs_as_they_are():
    chip, other = (disturbed_chip(network()) for _ in range(2))
    for each in (chip, other):
        memrix.reseed(each, read=1)
    chip(INDEX)
    other.train()(INDEX).sum().backward()
    for one, two in zip(memrix.summary(chip).layers, memrix.summary(other).layers, strict=True):
        assert (one.read_sets, one.read_resets) == (two.read_sets, two.read_resets)


def test_half_a_network_has_whole_cells():
    chip = disturbed_chip(network()).bfloat16()
    lines = chip.out.memrix.programmed.crossbar.word_lines
    assert lines.set_threshold.dtype == torch.float32
    chip(INDEX)
    assert memrix.summary(chip).read_sets > 0


def test_a_chip_made_in_inference_mode_is_disturbed_outside_of_it():
    model = network()
    memrix.calibrate(model, [INDEX], LAYERS)
    with torch.inference_mode():
        chip = memrix.program(model, LAYERS, seed=1)
    chip(INDEX)
    assert memrix.summary(chip).read_sets > 0


def test_a_graph_of_readings_that_disturb_is_refused():
    layer = nn.Linear(8, 8)
    hardware = DISTURBED.replace(weight_bits=3)
    memrix.calibrate(layer, [torch.randn(20, 8)], hardware)
    chip = memrix.program(nn.Sequential(layer), hardware)
    with pytest.raises(ConversionError, match=r"torch\.jit\.trace cannot record readings that switch cells"):
        torch.jit.trace(chip, torch.randn(3, 8))


def test_a_compiled_chip_is_disturbed_as_one_that_is_not():
    layer, batch = nn.Linear(32, 16), torch.randn(40, 32, generator=torch.Generator().manual_seed(1))
    hardware = DISTURBED.replace(weight_bits=3)
    memrix.calibrate(layer, [batch], hardware)
    chips = [memrix.program(layer, hardware).eval() for _ in range(2)]
    compiled = torch.compile(chips[0], backend="eager")
    with torch.no_grad():
        for _ in range(3):
            torch.testing.assert_close(compiled(batch), chips[1](batch))
    assert memrix.summary(chips[0]).read_sets == memrix.summary(chips[1]).read_sets > 0
    torch._dynamo.reset()


def test_tuned_and_drifted_chips_begin_with_the_cells_as_programmed():
    """The readings of the tuning switch nothing; a cell that drifts keeps its thresholds."""
    hardware = Hardware.preset("tuned").replace(
        weight_bits=3, **{"dac.vmax": 0.6, "device.read_disturb": True, "drift.seconds": 1e6, "drift.exponent": 0.05}
    )
    layer, batch = nn.Linear(64, 32), torch.randn(100, 64, generator=torch.Generator().manual_seed(1))
    memrix.calibrate(layer, [batch], hardware)
    chips = [memrix.program(layer, hardware.replace(**{"device.read_disturb": d})) for d in (True, False)]
    disturbed, other = (chip.memrix.programmed.crossbar for chip in chips)
    assert torch.equal(disturbed.difference, other.difference)
    assert disturbed.reach() == other.reach()
    lines = disturbed.word_lines
    states = (
        other.total.view(-1)[lines.places // 2]
        + (1 - 2 * (lines.places % 2)) * other.difference.view(-1)[lines.places // 2]
    ) / 2
    torch.testing.assert_close(lines.r, states, rtol=0, atol=1e-6)


def test_the_default_type_of_torch_changes_no_disturb():
    model, other = network(), network()
    expected = read(chip := disturbed_chip(model)), read(chip)
    torch.set_default_dtype(torch.float64)
    try:
        again = disturbed_chip(other)
        found = read(again), read(again)
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_a_ramped_chip_without_a_cell_in_reach_is_saved_and_loaded(tmp_path):
    """The ramp of fresh cells leaves none of them to be programmed one by one."""
    hardware = Hardware.preset("tuned").replace(weight_bits=2, **{"device.read_disturb": True, "dac.vmax": 0.2})
    model, x = torch.nn.Linear(4, 2), torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    memrix.calibrate(model, [x], hardware)
    chips = [memrix.program(model, hardware, seed=seed) for seed in range(2)]
    lines = [chip.memrix.programmed.crossbar.word_lines for chip in chips]
    assert all(line is not None and not line.stored()["places"].numel() for line in lines)
    memrix.save(chips[0], tmp_path / "chip.safetensors")
    loaded = memrix.load(tmp_path / "chip.safetensors", model)
    chips[1].load_state_dict(chips[0].state_dict())
    expected = chips[0](x)
    assert torch.equal(loaded(x), expected)
    assert torch.equal(memrix.to_digital(chips[1]).weight, memrix.to_digital(chips[0]).weight)
