import copy
import json

import pytest
import torch
from torch import nn

import memrix

PHYSICAL = memrix.Hardware.preset("physical").replace(weight_bits=3)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(200, 10), nn.Linear(10, 2)
        self.table = nn.Embedding(5, 4)

    def forward(self, x):
        return self.second(self.first(x))


def chip() -> nn.Module:
    model = Net()
    memrix.calibrate(model, [torch.ones(3, 200)], PHYSICAL, layers=["first", "second"])
    return memrix.program(model, {"*": PHYSICAL, "second": None})


def test_counts_can_be_checked_by_hand():
    (layer,) = memrix.summary(chip()).layers
    assert (layer.name, layer.kind, layer.weight_shape) == ("first", "Linear", (10, 200))
    assert layer.cells == 200 * 10 * 2 * 2
    assert layer.tiles == 2 * 1 * 2
    assert layer.utilization == 2000 / (2 * 128 * 128)


def test_conversions_are_those_of_the_readings():
    network = chip()
    network(torch.ones(3, 200))
    # 3 vectors, 2 row tiles, 2 planes, 10 columns
    assert memrix.summary(network).conversions == 3 * 2 * 2 * 10


def test_what_stays_digital_is_listed_with_the_reason():
    reasons = {layer.name: layer.reason for layer in memrix.summary(chip()).digital}
    assert reasons["second"] == "not selected"
    assert "Embedding looks rows up and multiplies nothing" in reasons["table"]


def test_prints_as_a_table_and_exports_to_json():
    summary = memrix.summary(chip())
    text = str(summary)
    assert "8,000" in text
    assert "stays digital" in text
    assert json.loads(json.dumps(summary.to_dict()))["cells"] == 8000


def test_digital_model_has_no_cells():
    assert memrix.summary(nn.Linear(2, 2)).cells == 0


def test_what_programming_took_is_told():
    verified = PHYSICAL.replace(programming="write-verify")
    model = Net()
    memrix.calibrate(model, [torch.ones(3, 200)], PHYSICAL, layers=["first", "second"])
    summary = memrix.summary(memrix.program(model, {"*": verified, "table": None}))
    assert summary.pulses == sum(layer.pulses for layer in summary.layers) > summary.cells
    assert 1e-12 < summary.energy / summary.cells < 1e-9
    assert summary.reads == sum(layer.reads for layer in summary.layers) > summary.cells > summary.failed > 0
    assert (
        f"; verified with {summary.reads / summary.cells:.1f} readings per cell, {summary.failed:,} cells failed "
        f"verification"
    ) in str(summary)
    assert summary.to_dict()["pulses"] == summary.pulses


def test_cells_that_nothing_has_verified_have_not_passed():
    assert "verif" not in str(memrix.summary(chip()))
    assert "pulses per cell and" in str(memrix.summary(chip()))


def test_a_chip_and_its_summary_tell_the_same_tiles():
    network = chip()
    (layer,) = memrix.summary(network).layers
    # 200 inputs take 2 of 128 rows, 2 bits a slice each; 10 of 128 columns are in use.
    assert (layer.tiles, layer.cells, layer.utilization) == (4, 8000, 4000 / (4 * 128 * 128))
    assert "on 4 tiles of 128 x 128 pairs, 6% in use, 3 bits" in repr(network)
    row = next(line for line in str(memrix.summary(network)).splitlines() if line.startswith("first"))
    assert row.split()[:6] == ["first", "Linear", "10x200", "4", "8,000", "6%"]
    (planned, *_) = memrix.check(Net(), PHYSICAL).layers
    assert (planned.kind, planned.tiles, planned.utilization) == (layer.kind, layer.tiles, layer.utilization)


def test_a_summary_leaves_the_chip_where_it_was():
    x = torch.randn(3, 200)
    network = chip()
    network(x)
    other = copy.deepcopy(network)
    measured = memrix.summary(network, [x, x])
    assert measured.conversions == 3 * 120  # those so far and those of the batches
    assert memrix.summary(network, [x, x]).to_dict() == measured.to_dict()
    assert memrix.summary(network).conversions == 120
    assert torch.equal(network(x), other(x))
    with pytest.raises(memrix.InputError, match="batch 2: layer 'first' takes"):
        memrix.summary(network, [x, x[:, :5]])
    assert memrix.summary(network).conversions == 240
    assert torch.equal(network(x), other(x))


class Marked(nn.Module):
    """A layer whose name is markup."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("<b>", nn.Linear(3, 2))
        self.table = nn.Embedding(5, 4)

    def forward(self, x):
        return self._modules["<b>"](x)


def test_a_notebook_shows_tables_in_which_nothing_is_markup():
    model = Marked()
    memrix.calibrate(model, [torch.ones(2, 3)], PHYSICAL)
    for report in (memrix.check(model, PHYSICAL), memrix.summary(memrix.program(model, PHYSICAL))):
        shown = report._repr_html_()
        assert "<td>&lt;b&gt;</td>" in shown
        assert "<b>" not in shown
        assert "looks rows up and multiplies nothing" in shown
        for forbidden in ("src=", "href=", "<script", "<style", "<link"):
            assert forbidden not in shown


def test_a_frame_has_a_row_for_every_candidate_layer():
    frame = memrix.summary(chip()).to_frame().set_index("name")
    assert frame.runs_on.to_dict() == {"first": "crossbar", "second": "digital", "table": "digital"}
    assert frame.weights.to_dict() == {"first": 2000, "second": 20, "table": 20}
    assert frame.cells["first"] == 8000
    assert frame.reason["second"] == "not selected"
    planned = memrix.check(Net(), PHYSICAL).to_frame().set_index("name")
    assert planned.cells[["first", "second"]].tolist() == [8000, 80]
    assert planned.runs_on["table"] == "digital"


def test_a_frame_of_a_digital_model_has_no_cells():
    frame = memrix.summary(nn.Linear(2, 2)).to_frame()
    assert frame.runs_on.tolist() == ["digital"]


def test_former_names_of_a_layer_summary_warn():
    (layer,) = memrix.summary(chip(), [torch.ones(3, 200)]).layers
    with pytest.warns(DeprecationWarning, match="use LayerSummary.sqnr"):
        assert layer.snr == layer.sqnr
    with pytest.warns(DeprecationWarning, match="use LayerSummary.error_energy"):
        assert layer.deviation == layer.error_energy


def test_converters_with_errors_are_told():
    model = nn.Sequential(nn.Linear(6, 4))
    hardware = memrix.Hardware().replace(
        **{
            "adc.offset_error": 0.5,
            "adc.gain_error": 0.01,
            "adc.columns_per_converter": 8,
            "dac.inputs": "bit-serial",
        }
    )
    memrix.calibrate(model, [torch.randn(8, 6)], hardware)
    chip = memrix.program(model, hardware)
    summary = memrix.summary(chip)
    assert "bit-serial inputs, errors of ADCs: offset 0.5 LSB, gain 1%, an ADC for 8 columns" in str(summary)
    layer = summary.to_dict()["layers"][0]
    assert (layer["adc_errors"], layer["columns_per_converter"]) == ("offset 0.5 LSB, gain 1%", 8)
    chip(torch.randn(2, 6))
    assert memrix.summary(chip).conversions == 2 * 7 * 3 * 4
