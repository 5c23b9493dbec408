"""Inputs of layers counted while batches run: of every type of layer, and nothing else changes."""

import copy

import pytest
import torch
from torch import nn

import memrix
from memrix.errors import CalibrationError, CheckpointError, ConversionError, SettingsError
from memrix.model.cost_counters import OTHER
from tests.layer_examples import EXAMPLES, made

HARDWARE = memrix.Hardware(weight_bits=3)


def programmed(model, batches, hardware=HARDWARE, layers=None):
    memrix.calibrate(model, batches, hardware, layers=layers)
    return memrix.program(model, hardware, layers=layers)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_layer_is_counted_as_its_converters_count(name):
    example = EXAMPLES[name]
    chip = programmed(made(example), [example.inputs], layers=example.layers)
    costs = memrix.costs(chip, [example.inputs])
    chip(*example.inputs)
    summary = memrix.summary(chip)
    for counted, read in zip(costs.layers, summary.layers, strict=True):
        assert (counted.name, counted.kind) == (read.name, read.kind)
        assert counted.conversions == read.conversions > 0
        assert counted.results * read.planes <= read.conversions
        assert counted.power > 0
    assert costs.energy > 0


def test_every_cost_of_one_layer_of_4_x_4_by_hand():
    """Ternary weights in one bit slice of ideal cells, one vector; currents from the curves of Synaptogen."""
    layer = nn.Linear(4, 4, bias=False)
    layer.weight.data = torch.tensor([[1.0, 1, 0, 1], [-1, 0, 0, 1], [1, 0, 0, -1], [-1, -1, 0, 1]])
    vector = torch.tensor([[1.0, -1.0, 0.5, 0.0]])  # 0.4 V, -0.4 V, 0.2 V and nothing
    hardware = memrix.Hardware(
        weight_bits=2, programming="ideal", tile=memrix.Tile(4, 4), dac=memrix.DAC(bits=8, vmax=0.4)
    )
    costs = memrix.costs(programmed(layer, [vector], hardware), [vector])
    # A weight of 1 is an ON cell (89.743 uA at 0.4 V, 82.700 uA at -0.4 V) and an OFF cell (6.396 uA, 6.332 uA);
    # a weight of 0 is two OFF cells (2.925 uA at 0.2 V).
    first = 0.4 * (4 * 89.743 + 4 * 6.396)
    second = 0.4 * (2 * 82.700 + 6 * 6.332)
    third = 0.2 * (8 * 2.925)
    microwatt = first + second + third
    assert microwatt == pytest.approx(239.86, abs=0.01)
    # 10 ns. Four conversions of 0.4375 pJ + 257 * 1.39 fJ + 257**2 * 0.87 aJ. Four inputs of 8 bits.
    picojoule = {
        "array": 2.3986,
        "drivers": 0,
        "adc": 4 * 0.85219,
        "dac": 4 * 8 * 0.0405,
        "sums": 4 * 3.2,
        "digital": 0,
    }
    assert costs.by_cause == {cause: pytest.approx(energy * 1e-12, rel=1e-4) for cause, energy in picojoule.items()}
    assert costs.energy == pytest.approx(19.903e-12, rel=1e-4)
    # 16 products of 0.3 pJ and 4 results of 3.2 pJ; 16 weights from SRAM at 1.25 pJ and from DRAM at 244 pJ.
    assert costs.reference == {
        "arithmetic": pytest.approx(17.6e-12),
        "sram": pytest.approx(20e-12),
        "dram": pytest.approx(3904e-12),
    }
    assert costs.latency == costs.interval == pytest.approx(10e-9 + 1e-9 + 8.0056e-9, rel=1e-5)
    # 32 cells, four ADCs, four DACs of 257 levels, in um2.
    assert costs.area == pytest.approx((32 * 0.0232 + 4 * 1200 + 4 * 257 * 0.083) * 1e-12)


def test_one_linear_layer_by_hand():
    layer = nn.Linear(200, 10)
    chip = programmed(layer, [torch.ones(3, 200)])
    (counted,) = memrix.costs(chip, [torch.ones(3, 200), torch.ones(1, 200)]).layers
    assert counted.vectors == 4
    assert counted.products == 4 * 200 * 10
    assert counted.results == 4 * 10
    assert counted.conversions == 4 * 2 * 2 * 10  # two row tiles, two bit slices
    assert counted.inputs_converted == 4 * 200 * 2
    assert counted.places == 2 * 2 * 2 * 128 * 128
    assert counted.adc_levels == 2 * 128 + 1
    # Every input is 1, at the largest code: all word lines at 0.4 V.
    crossbar = chip.memrix.programmed.crossbar
    current = memrix.device.CellCurrent(crossbar.cell_parameters)
    states = crossbar.total.double().sum()
    by_reading = 0.4 * (200 * 10 * 4 * current.low_resistance(0.4) + float(states) * current.slope(0.4))
    assert counted.power == pytest.approx(4 * by_reading, rel=1e-6)


def test_inputs_are_entries_of_the_first_axis():
    chip = programmed(nn.Linear(6, 4), [torch.ones(3, 6)])
    costs = memrix.costs(chip, [torch.ones(3, 5, 6), (torch.ones(2, 5, 6),)])
    assert costs.inputs == 5
    assert costs.by_layer[0].vectors == 5
    assert memrix.costs(chip, [torch.ones(3, 5, 6)], inputs=15).by_layer[0].vectors == 1


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 4)

    def forward(self, scale, x):
        return self.layer(scale * x)


def test_a_number_in_a_batch_is_no_input():
    batch = {"scale": torch.tensor(1.0), "x": torch.ones(3, 6)}
    assert memrix.costs(programmed(Scaled(), [batch]), [batch]).inputs == 3


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(8, 6), nn.Linear(6, 2)

    def forward(self, x):
        hidden = self.first(x)
        return self.head(hidden @ hidden.transpose(-1, -2) @ hidden)


def test_products_that_stay_digital_are_counted_with_their_layer_or_without():
    chip = programmed(Attending(), [torch.randn(2, 5, 8)], layers=["first"])
    costs = memrix.costs(chip, [torch.randn(2, 5, 8)])
    digital = {layer.name: layer.products for layer in costs.digital}
    assert digital == {"head": 2 * 5 * 6 * 2, OTHER: 2 * (5 * 6 * 5 + 5 * 5 * 6)}


def test_what_makes_the_batches_is_not_counted():
    chip = programmed(Attending(), [torch.randn(2, 5, 8)], layers=["first"])
    made = (torch.randn(2, 5, 30) @ torch.randn(30, 8) for _ in range(1))
    ready = memrix.costs(chip, [torch.randn(2, 5, 8)])
    assert memrix.costs(chip, made).digital == ready.digital
    with torch.inference_mode():
        assert memrix.costs(chip, [torch.randn(2, 5, 8)]).digital == ready.digital


def test_the_chip_is_left_as_it_was():
    batches = [torch.randn(4, 8)]
    chip = programmed(nn.Sequential(nn.Linear(8, 6), nn.Dropout(0.5)).train(), batches)
    twin = copy.deepcopy(chip)
    memrix.costs(chip, batches)
    assert chip.training
    assert memrix.summary(chip).conversions == 0
    assert not chip[0]._forward_hooks
    assert not chip._forward_pre_hooks
    assert torch.equal(chip.eval()(batches[0]), twin.eval()(batches[0]))


def test_counting_switches_no_cell():
    disturbed = HARDWARE.replace(**{"device.read_disturb": True, "dac.vmax": 0.6})
    batches = [torch.randn(30, 64)]
    chip = programmed(nn.Linear(64, 32), batches, disturbed)
    before = copy.deepcopy(chip.state_dict())
    costs = memrix.costs(chip, batches)
    assert costs.layers[0].conversions > 0
    assert all(torch.equal(value, before[name]) for name, value in chip.state_dict().items())
    chip(batches[0])
    assert memrix.summary(chip).read_sets > 0


def test_costs_outlast_saving_and_loading(tmp_path):
    model, batches = nn.Linear(40, 6), [torch.randn(4, 40)]
    for changes in ({}, {"noise": "off"}, {"wires": memrix.Wires(0.5)}):
        chip = programmed(model, batches, HARDWARE.replace(**changes))
        memrix.save(chip, tmp_path / "chip.safetensors")
        loaded = memrix.load(tmp_path / "chip.safetensors", model)
        assert memrix.costs(loaded, batches) == memrix.costs(chip, batches)
        other = memrix.program(model, HARDWARE.replace(**changes), seed=1)
        other.load_state_dict(chip.state_dict())
        assert memrix.costs(other, batches) == memrix.costs(chip, batches)


def test_a_chip_whose_word_lines_are_not_known_says_so():
    batches = [torch.randn(4, 40)]
    chip = programmed(nn.Linear(40, 6), batches, HARDWARE.replace(noise="off"))
    state = chip.state_dict()
    del state["memrix.array.crossbar.line_states"]  # as an earlier memrix wrote it
    chip.load_state_dict(state)
    with pytest.raises(ConversionError, match=r"does not say what its word lines draw.*program it again"):
        memrix.costs(chip, batches)


def test_a_summary_shows_what_was_measured():
    batches = [torch.randn(4, 40)]
    chip = programmed(nn.Linear(40, 6), batches)
    costs = memrix.costs(chip, batches)
    summary = memrix.summary(chip, batches, costs=costs)
    assert costs.line in str(summary)
    assert summary.to_dict()["costs"]["energy"] == costs.energy
    assert memrix.summary(chip).to_dict()["costs"] is None


def test_a_model_that_is_no_chip_is_an_error():
    with pytest.raises(ConversionError, match=r"memrix\.program returns one that does"):
        memrix.costs(nn.Linear(4, 2), [torch.ones(1, 4)])
    with pytest.raises(ConversionError, match=r"expected a torch\.nn\.Module"):
        memrix.costs("chip", [torch.ones(1, 4)])


class Idle(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.calls = nn.Linear(4, 2), True

    def forward(self, x):
        return self.layer(x) if self.calls else x


def test_a_chip_that_was_never_read_and_no_batches_are_errors():
    chip = programmed(Idle(), [torch.ones(3, 4)])
    with pytest.raises(CalibrationError, match="there is no batch; give at least one"):
        memrix.costs(chip, [])
    with pytest.raises(CalibrationError, match=r"got one Tensor; wrap it: \[batch\]"):
        memrix.costs(chip, torch.ones(3, 4))
    chip(torch.ones(3, 4))
    chip.calls = False
    with pytest.raises(CalibrationError, match="no layer on crossbars was read by these batches"):
        memrix.costs(chip, [torch.ones(3, 4)])
    chip.calls = True
    with pytest.raises(CalibrationError, match="no layer on crossbars was read by these batches"):
        memrix.costs(chip, [torch.ones(0, 4)])
    with pytest.raises(SettingsError, match="inputs must be an integer from 1"):
        memrix.costs(chip, [torch.ones(3, 4)], inputs=0)


def test_an_error_in_a_batch_leaves_no_hook():
    chip = programmed(nn.Linear(4, 2), [torch.ones(3, 4)])
    with pytest.raises(CalibrationError, match="batch 1"):
        memrix.costs(chip, ["text"])
    assert not chip._forward_hooks


def test_sums_of_word_lines_in_a_file_are_checked(tmp_path):
    from memrix.checkpoint.files import CHIP
    from memrix.toolkit import read_archive, write_archive

    model = nn.Linear(40, 6)
    chip = programmed(model, [torch.randn(4, 40)], HARDWARE.replace(noise="off"))
    path = tmp_path / "chip.safetensors"
    memrix.save(chip, path)
    tensors, description = read_archive(path, CHIP)
    key = "memrix.array.crossbar.line_states"
    for broken in (tensors[key] * torch.inf, tensors[key][:, :-1].contiguous(), tensors[key].double()):
        write_archive(path, {**tensors, key: broken}, description)
        with pytest.raises(CheckpointError, match=r"line_states"):
            memrix.load(path, model)
