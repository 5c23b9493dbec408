import json
import math

import pytest
import torch
from torch import nn

import memrix
from memrix.crossbar import ADC
from memrix.errors import CalibrationError, ConversionError

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
    assert (layer.name, layer.kind, layer.weight_shape) == ("first", "MemristorLinear", (10, 200))
    assert layer.cells == 200 * 10 * 2 * 2
    assert layer.tiles == 2 * 1 * 2
    assert layer.utilisation == 2000 / (2 * 128 * 128)


def test_conversions_are_those_of_the_readings():
    network = chip()
    network(torch.ones(3, 200))
    # 3 vectors, 2 row tiles, 2 planes, 10 columns
    assert memrix.summary(network).conversions == 3 * 2 * 2 * 10


def test_what_stays_digital_is_listed_with_the_reason():
    reasons = {layer.name: layer.reason for layer in memrix.summary(chip()).digital}
    assert reasons == {
        "second": "not selected",
        "table": "Embedding looks rows up and multiplies nothing; select it by name to read its rows from a chip",
    }


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
    assert f"{summary.failed:,} cells failed verification" in str(summary)
    assert summary.disturbing_reads == sum(layer.disturbing_reads for layer in summary.layers)
    assert ("readings of it may have disturbed" in str(summary)) == (summary.disturbing_reads > 0)
    assert summary.to_dict()["pulses"] == summary.pulses


def test_converters_of_every_layer():
    (layer,) = memrix.summary(chip()).layers
    assert (layer.mapping, layer.dac_bits, layer.adc, layer.adc_gain) == ("bit-sliced", 8, "4/4", 1.0)
    text = str(memrix.summary(chip()))
    assert "weights of 3 bits, 2 planes, DAC of 8 bits, ADC of 4/4 bits (precision/range), gain 1" in text


def test_converter_that_a_layer_was_given_is_the_one_that_is_shown():
    network = chip()
    network.first.crossbar.set_converter(ADC(precision_bits=5, range_bits=3, gain=1.25))
    (layer,) = memrix.summary(network).layers
    assert (layer.adc, layer.adc_gain) == ("5/3", 1.25)
    assert "ADC of 5/3 bits (precision/range), gain 1.25" in str(memrix.summary(network))


def test_settings_that_differ_are_columns():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    hardware = {"0": PHYSICAL.replace(weight_bits=1.5), "1": PHYSICAL.replace(weight_bits=3)}
    memrix.calibrate(model, [torch.ones(1, 4)], hardware)
    head, first, second, *_ = str(memrix.summary(memrix.program(model, hardware))).splitlines()
    assert head.split() == ["layer", "type", "weight", "bits", "mapping", "tiles", "cells", "in", "use"]
    assert first.split() == ["0", "Linear", "4x4", "1.5", "1", "plane", "1", "32", "0%"]
    assert second.split() == ["1", "Linear", "4x4", "3", "2", "planes", "2", "64", "0%"]


# Readings of one row are multiples of a half: 0.75 is read as 1 (ties go to the even step), and 0.5 as it is.
COARSE = memrix.Hardware.preset("ideal").replace(adc=ADC(precision_bits=1, range_bits=4))


def coarse(*weights: float) -> nn.Module:
    model = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in weights))
    for layer, weight in zip(model, weights, strict=True):
        nn.init.constant_(layer.weight, weight)
    hardware = COARSE.replace(weight_bits=2)
    memrix.calibrate(model, [torch.ones(1, 1)], hardware)
    return memrix.program(model, hardware)


def test_signal_to_noise_ratio_by_hand():
    (layer,) = memrix.summary(coarse(1.0), [torch.tensor([[0.75]]), torch.tensor([[0.5]])]).layers
    assert layer.signal == pytest.approx(0.75**2 + 0.5**2)
    assert layer.deviation == pytest.approx(0.25**2, rel=1e-5)
    assert layer.snr == pytest.approx(10 * math.log10(13), abs=1e-3)


def test_a_layer_answers_for_its_own_errors_alone():
    # The first layer gives 1 for 0.75; the second is exact on what it gets.
    summary = memrix.summary(coarse(1.0, 1.0), [torch.tensor([[0.75]])])
    first, second = summary.layers
    assert first.snr == pytest.approx(10 * math.log10(9), abs=1e-3)
    assert second.signal == pytest.approx(1.0)
    assert second.deviation < 1e-9
    assert "9.5 dB" in str(summary)


def test_measuring_changes_nothing_but_the_counts():
    network = chip().train()
    state = {key: value.clone() for key, value in network.state_dict().items()}
    memrix.summary(network, [torch.ones(3, 200)])
    assert network.training
    assert not network.first._forward_hooks
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert memrix.summary(network).conversions == 3 * 2 * 2 * 10


def test_layers_that_no_batch_reaches():
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused, self.rest = nn.Linear(2, 2), nn.Linear(2, 2), True

        def forward(self, x):
            return self.used(x) if self.rest else self.unused(self.used(x))

    half = Half()
    half.rest = False
    memrix.calibrate(half, [torch.ones(1, 2)], PHYSICAL)
    network = memrix.program(half, PHYSICAL)
    network.rest = True
    summary = memrix.summary(network, [torch.ones(1, 2)])
    assert [layer.snr is None for layer in summary.layers] == [False, True]
    assert "not run" in str(summary)
    plain = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert plain["layers"][1]["snr"] is None
    assert plain["layers"][0]["snr"] == summary.layers[0].snr


def test_prints_within_120_columns():
    model = nn.Sequential(nn.Sequential(nn.Linear(1280, 5), nn.ConvTranspose1d(5, 5, 3), nn.Embedding(4, 4)))
    model = nn.ModuleDict({"model_encoder_layers_11_self_attention_projection" * 2: model})
    hardware = {"*": PHYSICAL, "*.1": PHYSICAL.replace(weight_bits=1.5, **{"dac.bits": 6, "adc.range_bits": 5})}
    batch = torch.randn(2, 1280)
    for layer in model.modules():
        if isinstance(layer, (nn.Linear, nn.ConvTranspose1d)):
            layer.register_buffer("input_range", torch.tensor(1.0), persistent=False)
    network = memrix.program(model, hardware)
    layers = [module for module in network.modules() if hasattr(module, "crossbar")]
    layers[0](batch)
    layers[1](batch[:, :5, None])
    text = str(memrix.summary(network))
    assert max(map(len, text.splitlines())) <= 120
    assert "…" in text


def test_batches_of_another_kind():
    with pytest.raises(CalibrationError, match=r"\[batch\]"):
        memrix.summary(chip(), torch.ones(3, 200))
    with pytest.raises(CalibrationError, match="at least one batch"):
        memrix.summary(chip(), [])
    with pytest.raises(ConversionError, match="no layer of this model runs on a chip"):
        memrix.summary(Net(), [torch.ones(3, 200)])
