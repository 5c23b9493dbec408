"""What a calibration finds can be read, kept in a file, and given to another copy of the model."""

import copy
import json
import math

import pytest
import torch
from torch import nn

import memrix
from memrix._support.archive import read_archive, write_archive
from memrix.errors import CheckpointError, ConversionError
from memrix.model.calibration_files import CALIBRATION as KIND
from memrix.nn.state import state_of

IDEAL = memrix.Hardware.preset("ideal")
TUNED = memrix.Hardware.preset("tuned")


def inputs(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Net(nn.Module):
    """A recurrent layer, an attention, and a linear layer that is called twice a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.twice = nn.Linear(8, 8)

    def forward(self, x):
        x, _ = self.lstm(x)
        x, _ = self.attention(x, x, x)
        return self.twice(self.twice(x))


def built(seed: int = 0) -> Net:
    torch.manual_seed(seed)
    return Net().eval()


BATCHES = [inputs(3, 20, 6, seed=seed) for seed in range(4)]


def found(calibration: memrix.Calibration) -> dict:
    return {layer.name: layer for layer in calibration.layers}


def test_every_input_is_counted_once_in_the_histogram():
    calibration = memrix.calibrate(built(), BATCHES, IDEAL)
    values = {layer.name: layer.seen.values for layer in calibration.layers}
    steps = 3 * 20 * 4
    assert values == {
        "lstm.ih_l0": steps * 6,
        "lstm.hh_l0": steps * 8,
        "attention.q_proj": steps * 8,
        "attention.k_proj": steps * 8,
        "attention.v_proj": steps * 8,
        "attention.out_proj": steps * 8,
        "twice": 2 * steps * 8,
    }
    assert found(calibration)["lstm.hh_l0"].seen.zeros == 3 * 8 * 4  # every sequence begins with a state of zeros


def test_histogram_and_clipped_values_are_those_of_the_inputs():
    x = inputs(500, 40)
    model = nn.Sequential(nn.Linear(40, 2))
    (layer,) = memrix.calibrate(model, x.split(100), IDEAL, percentile=99).layers
    magnitudes = x.abs()
    assert layer.input_range == float(state_of(model[0]).input_range)
    assert layer.clipped == int((magnitudes > layer.input_range).sum())
    assert 0.008 < layer.clipped_share < 0.01
    assert layer.seen.largest == float(magnitudes.max())
    below = torch.tensor(layer.seen.counts).cumsum(0)
    expected = torch.histc(magnitudes, len(layer.seen.counts), 0, layer.seen.top).cumsum(0)
    # The largest value of a batch may lie on the edge of two bins.
    assert int((below - expected).abs().max()) <= 5
    assert int(below[-1]) == layer.seen.values == 20_000


def test_the_largest_range_clips_nothing():
    calibration = memrix.calibrate(built(), BATCHES, IDEAL, percentile=100)
    assert [layer.clipped for layer in calibration.layers] == [0] * 7
    assert all(layer.input_range == layer.seen.largest for layer in calibration.layers)


@pytest.mark.parametrize("hardware", [IDEAL, TUNED], ids=["ideal", "tuned"])
def test_another_copy_with_a_saved_calibration_makes_the_same_chip(hardware, tmp_path):
    model = built()
    other = copy.deepcopy(model)
    calibration = memrix.calibrate(model, BATCHES, hardware)
    calibration.save(tmp_path / "calibration")
    memrix.Calibration.load(tmp_path / "calibration").apply(other)
    outputs = [memrix.program(each, hardware, seed=3)(BATCHES[0]) for each in (model, other)]
    assert torch.equal(*outputs)


def test_a_file_keeps_all_there_is(tmp_path):
    calibration = memrix.calibrate(built(), BATCHES, TUNED)
    calibration.save(tmp_path / "calibration")
    again = memrix.Calibration.load(tmp_path / "calibration")
    assert again.to_dict() == calibration.to_dict()
    assert str(again) == str(calibration)
    for one, other in zip(calibration.layers, again.layers, strict=True):
        assert torch.equal(one.sample, other.sample)
    assert json.loads(json.dumps(calibration.to_dict()))["batches"] == 4


def test_a_quantized_copy_takes_it_too():
    model, other = built(), built()
    calibration = memrix.calibrate(model, BATCHES, IDEAL)
    memrix.quantize(other, IDEAL)
    calibration.apply(other)
    memrix.quantize(model, IDEAL)
    assert torch.equal(model(BATCHES[1]), other(BATCHES[1]))


def test_layers_that_stayed_digital_do_so_in_the_copy():
    class Routed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))

        def forward(self, x):
            return self.experts[0](x)

    model, other = Routed(), Routed()
    with pytest.warns(memrix.errors.CoverageWarning):
        calibration = memrix.calibrate(model, [inputs(3, 4)], IDEAL, unreached="digital")
    assert calibration.digital == {"experts.1": "no batch of its calibration reached it"}
    assert "experts.1" in str(calibration)
    calibration.apply(other)
    with pytest.warns(memrix.errors.CoverageWarning, match="no batch of its calibration"):
        summary = memrix.summary(memrix.program(other, IDEAL))
    assert [layer.name for layer in summary.layers] == ["experts.0"]


def test_every_layer_that_does_not_fit_is_named_and_nothing_is_changed():
    calibration = memrix.calibrate(built(), BATCHES, IDEAL)
    other = built()
    other.twice = nn.Linear(8, 9)
    other.attention = nn.Conv1d(8, 8, 1)
    with pytest.raises(ConversionError, match="of another model") as caught:
        calibration.apply(other)
    told = str(caught.value).splitlines()[1:]
    assert "layer 'attention.q_proj' is not in the model" in told[0]
    assert told[-1].endswith(
        "layer 'twice' is 1 x 8 x 9 (groups, inputs, outputs) in the model and 1 x 8 x 8 in the calibration"
    )
    assert len(told) == 5
    assert not any(state_of(module) for module in other.modules())
    assert type(other.lstm) is nn.LSTM


def test_a_layer_of_another_type_does_not_fit():
    calibration = memrix.calibrate(nn.Sequential(nn.Linear(4, 3)), [inputs(5, 4)], IDEAL)
    with pytest.raises(ConversionError, match="is Conv1d in the model and Linear in the calibration"):
        calibration.apply(nn.Sequential(nn.Conv1d(4, 3, 1)))


def test_a_chip_takes_no_calibration():
    model = nn.Sequential(nn.Linear(4, 3))
    calibration = memrix.calibrate(model, [inputs(5, 4)], IDEAL)
    with pytest.raises(ConversionError, match="runs on a chip already"):
        calibration.apply(memrix.program(model, IDEAL))


def test_tables_show_every_layer():
    calibration = memrix.calibrate(built(), BATCHES, TUNED)
    for shown in (str(calibration), calibration._repr_html_()):
        assert all(layer.name in shown for layer in calibration.layers)
        assert "from 4 batches" in shown
    frame = calibration.to_frame().set_index("name")
    assert frame["values"]["twice"] == 2 * 3 * 20 * 8 * 4
    assert frame.samples["twice"] == 3 * 20 * 2 * 4


def test_zeros_alone_show_an_empty_histogram():
    with pytest.warns(UserWarning, match="nothing but zeros"):
        (layer,) = memrix.calibrate(nn.Sequential(nn.Linear(4, 3)), [torch.zeros(5, 4)], IDEAL).layers
    assert (layer.seen.values, layer.seen.zeros, layer.clipped, layer.input_range) == (20, 20, 0, 0.0)
    assert layer.row[6].strip() == ""


def saved(path):
    memrix.calibrate(nn.Sequential(nn.Linear(4, 3)), [inputs(600, 4)], TUNED).save(path)
    return read_archive(path, KIND)


def change(where: str, value):
    def apply(samples, plain):
        target = plain
        *path, last = where.split(".")
        for key in path:
            target = target[int(key) if key.isdigit() else key]
        target[last] = value

    return apply


def sample(value):
    def apply(samples, plain):
        samples["0"] = value

    return apply


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (change("layers.0.input_range", math.inf), "input_range"),
        (change("layers.0.input_range", -1.0), "input_range"),
        (change("layers.0.shape", [1, 4]), "shape"),
        (change("layers.0.clipped", 1 << 40), "clipped of 2,400 values"),
        (change("layers.0.seen.counts", [1]), "seen.counts must be 64 counts, got 1"),
        (change("layers.0.name", "1"), "samples of '0' are of no layer"),
        (change("digital", {"0": "because"}), "is there twice"),
        (change("calibration_format", 2), "calibration_format"),
        (sample(torch.ones(1, 5, 7)), r"\[1, vectors, 4\], got \[1, 5, 7\]"),
        (sample(torch.full((1, 5, 4), torch.nan)), "finite numbers of float32"),
    ],
)
def test_what_cannot_be_true_of_a_file_is_refused(forge, said, tmp_path):
    samples, plain = saved(tmp_path / "good")
    memrix.Calibration.load(tmp_path / "good")
    forge(samples, plain)
    write_archive(tmp_path / "forged", samples, plain)
    with pytest.raises(CheckpointError, match=said):
        memrix.Calibration.load(tmp_path / "forged")


def test_a_chip_is_no_calibration_and_neither_is_nothing(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3))
    memrix.calibrate(model, [inputs(5, 4)], IDEAL)
    memrix.save(memrix.program(model, IDEAL), tmp_path / "chip")
    with pytest.raises(CheckpointError, match=r"holds no calibration; memrix\.calibrate\(\.\.\.\)\.save"):
        memrix.Calibration.load(tmp_path / "chip")
    with pytest.raises(CheckpointError, match="there is no file"):
        memrix.Calibration.load(tmp_path / "missing")
