"""Layers ranked by what they cost on a chip."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import memrix
from memrix import CalibrationError, Hardware, MetricError, SettingsError, program, sensitivity
from memrix.studies.metric import Metric

from .studied_models import labeled, network

CHIP = Hardware.preset("physical").replace(weight_bits=4)


def test_the_layer_that_is_made_bad_is_the_worst() -> None:
    model = network()
    clipped = CHIP.replace(**{"adc.range_bits": 0})
    found = sensitivity(model, {"*": CHIP, "2": clipped}, labeled(model), "loss")
    assert found.worst.name == "2"
    assert found.worst.cost > 5 * found.groups[1].cost > 0


def test_heavy_tailed_weights_are_found() -> None:
    model = network()
    with torch.no_grad():
        model[4].weight[:, 0] = 20.0  # the step of a row is that of its largest weight
        model[2].weight[0] = model[2].bias[0] = 0.0  # and this one meets nothing but zeros
    assert sensitivity(model, CHIP.replace(weight_bits=3), labeled(model), "loss").worst.name == "4"


class Gated(nn.Module):
    """Two layers side by side: the outputs of one hardly count."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.loud, self.faint = nn.Linear(24, 8), nn.Linear(24, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.loud(x) + 0.01 * self.faint(x)


def test_a_ranking_by_sqnr_is_wrong_where_sensitivity_is_right() -> None:
    model = Gated().eval()
    hardware = {"loud": CHIP, "faint": CHIP.replace(weight_bits=2)}
    rows = {row.name: row for row in sensitivity(model, hardware, labeled(model), "loss").groups}
    assert rows["faint"].sqnr is not None
    assert rows["loud"].sqnr is not None
    assert rows["faint"].sqnr < rows["loud"].sqnr  # so that a table of SQNR calls it the worst
    assert rows["loud"].cost > 100 * rows["faint"].cost


def test_all_layers_on_the_chip_are_the_programmed_chip() -> None:
    model = network()
    batches = labeled(model)
    memrix.calibrate(model, [x for x, _ in batches], CHIP)
    found = sensitivity(model, CHIP, batches, "loss", chips=2, seed=3)
    for seed, mean in zip((3, 4), found.chip, strict=True):
        assert mean == Metric.of("loss").measure(program(model, CHIP, seed=seed), batches).mean
    assert found.reference == pytest.approx(0.0, abs=1e-12)
    assert all(row.deviation is not None and len(row.alone) == 2 for row in found.groups)


def test_only_one_layer_on_the_chip_is_the_chip_programmed_with_this_layer_alone() -> None:
    model = network()
    batches = labeled(model)
    memrix.calibrate(model, [x for x, _ in batches], CHIP)
    alone = program(model, {"2": CHIP}, seed=0)
    (row,) = (row for row in sensitivity(model, CHIP, batches, "loss").groups if row.name == "2")
    assert row.alone[0] == pytest.approx(Metric.of("loss").measure(alone, batches).mean, rel=1e-5)


def test_a_group_is_switched_as_a_whole() -> None:
    model = network()
    found = sensitivity(model, CHIP, labeled(model), "loss", groups={"all of it": "*", "ends": ["0", "4"]})
    whole, ends = (next(row for row in found.groups if row.name == name) for name in ("all of it", "ends"))
    assert (whole.layers, ends.layers) == (("0", "2", "4"), ("0", "4"))
    assert whole.alone == found.chip
    assert whole.digital[0] == pytest.approx(found.reference, abs=1e-12)


def test_the_model_and_its_modes_are_unchanged() -> None:
    model = network().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sensitivity(model, CHIP, labeled(model), "loss")
    assert all(type(module) in (nn.Sequential, nn.Linear, nn.ReLU) and module.training for module in model.modules())
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())


def test_exact_weights_of_a_trained_model_are_its_quantized_ones() -> None:
    model = network()
    batches = labeled(model)
    hardware = Hardware.preset("ideal").replace(weight_bits=2)
    memrix.calibrate(model, [x for x, _ in batches], hardware)
    memrix.quantize(model, hardware)
    found = sensitivity(model, hardware, batches, "loss")
    quantized = Metric.of("loss").measure(model, batches).mean
    assert found.reference == pytest.approx(quantized, rel=0.05)
    assert quantized > 0.01
    assert found.error < 1e-3  # of activations alone


@pytest.mark.slow
def test_readings_that_switch_cells_begin_with_the_same_cells_for_every_layer() -> None:
    model = network()
    disturbed = CHIP.replace(**{"device.read_disturb": True, "dac.vmax": 0.6})
    found = sensitivity(model, disturbed, labeled(model), "loss")
    again = sensitivity(model, disturbed, labeled(model), "loss", groups=["4"])
    assert next(row for row in found.groups if row.name == "4") == again.groups[0]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"groups": ["layer.0"]}, SettingsError, "pattern 'layer.0' matches no layer"),
        ({"groups": []}, SettingsError, "no group"),
        (
            {"metric": lambda model, batch: model(batch[0]).sum() * torch.nan},
            SettingsError,
            "it is not known whether",
        ),
        (
            {"metric": Metric(lambda model, batch: model(batch[0]).sum() * torch.nan, "sum", False)},
            MetricError,
            "NaN",
        ),
        ({"metric": Metric(lambda model, batch: 1.0, "one", True)}, CalibrationError, "does not call the model"),
        ({"batches": []}, MetricError, "no batch"),
        ({"batches": torch.zeros(3, 24)}, CalibrationError, "wrap it"),
        ({"chips": 0}, SettingsError, "chips must be"),
        ({"hardware": {"layer": CHIP}}, memrix.ConversionError, "matches no layer"),
    ],
    ids=["group", "none", "direction", "nan", "uncalled", "empty", "tensor", "chips", "hardware"],
)
def test_bad_input_is_told(changes: dict[str, object], error: type[Exception], message: str) -> None:
    model = network()
    given = {"hardware": CHIP, "batches": labeled(model), "metric": "loss", **changes}
    with pytest.raises(error, match=message):
        sensitivity(model, **given)


def test_the_nearest_layer_is_suggested() -> None:
    with pytest.raises(SettingsError, match="did you mean 'loud'"):
        sensitivity(Gated().eval(), CHIP, labeled(Gated().eval()), "loss", groups=["lout"])


def test_it_prints_a_table_and_draws_a_chart() -> None:
    model = network()
    found = sensitivity(model, CHIP, labeled(model), "loss", chips=2)
    assert "only it on the chip" in str(found)
    assert found.to_markdown().count("\n") == 5
    frame = found.to_frame()
    assert list(frame["group"]) == [row.name for row in found.groups for _ in range(2)]
    axes = found.plot().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [row.name for row in found.groups]
    widths = [bar.get_width() for bar in axes.containers[0]]
    assert widths == [sum(row.cost_alone) / 2 for row in found.groups]


def test_layers_inside_of_attention_and_of_recurrent_layers_are_selected_and_switched() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
            self.recurrent = nn.LSTM(16, 8, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.recurrent(x + self.attention(x, x, x)[0])[0]

    model = Both().eval()
    x = torch.randn(4, 6, 16)
    found = sensitivity(model, CHIP, [(x, model(x).detach())], "loss", layers=["attention.*", "recurrent.*"])
    assert {row.name.partition(".")[0] for row in found.groups} == {"attention", "recurrent"}
    assert all(row.error_alone > 0 for row in found.groups)
    assert found.reference == pytest.approx(0, abs=1e-10)
    assert sum(row.error_alone for row in found.groups) == pytest.approx(found.error, rel=0.3)
