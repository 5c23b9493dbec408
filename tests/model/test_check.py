import json

import pytest
import torch
from torch import nn

import memrix
from memrix.nn import Composite, DecomposedLayer, register_composite
from memrix.nn.programming import integers_of

PHYSICAL = memrix.Hardware.preset("physical")
X = torch.randn(4, 200, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(200, 10), nn.Linear(10, 2)
        self.table, self.norm = nn.Embedding(5, 4), nn.LayerNorm(2)
        self.mix = nn.Bilinear(2, 2, 2)

    def forward(self, x):
        return self.norm(self.second(self.first(x)))


def noted(check: memrix.Check, text: str) -> bool:
    return any(text in note for note in check.notes)


def test_plan_can_be_checked_by_hand():
    check = memrix.check(Net(), PHYSICAL.replace(weight_bits=3), layers=["first", "second"])
    assert check.ok
    first, second = check.layers
    assert (first.name, first.kind, first.weight_shape, first.planes) == ("first", "Linear", (10, 200), 2)
    assert first.cells == 200 * 10 * 2 * 2
    assert first.tiles == 2 * 1 * 2
    assert first.utilization == 2000 / (2 * 128 * 128)
    assert check.cells == first.cells + second.cells == 8000 + 80
    assert not first.calibrated


def test_plan_is_what_programming_gives():
    model, hardware = Net(), {"*": PHYSICAL, "second": PHYSICAL.replace(weight_bits=1.5)}
    layers = ["first", "second"]
    memrix.calibrate(model, [X], hardware, layers=layers)
    check = memrix.check(model, hardware, layers=layers)
    chip = memrix.summary(memrix.program(model, hardware, layers=layers))
    for planned, layer in zip(check.layers, chip.layers, strict=True):
        assert planned.calibrated
        assert all(getattr(planned, name) == getattr(layer, name) for name in ("name", "tiles", "planes", "cells"))
    assert check.digital == chip.digital


@pytest.mark.parametrize("calibrated", [False, True])
def test_nothing_is_changed(calibrated):
    model = nn.Sequential(Net(), nn.Conv1d(2, 2, 3))
    if calibrated:
        memrix.calibrate(model[0], [X], PHYSICAL, layers=["first", "second"])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    kinds = {name: type(module) for name, module in model.named_modules()}
    buffers = [name for name, _ in model.named_buffers()]
    memrix.check(model, {"*": PHYSICAL, "0.first": None})
    assert {name: type(module) for name, module in model.named_modules()} == kinds
    assert [name for name, _ in model.named_buffers()] == buffers
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_every_problem_is_listed_at_once(tmp_path):
    model = Net()
    model.again = nn.Linear(200, 10)
    model.again.weight = model.first.weight
    with torch.no_grad():
        model.second.weight[0, 0] = torch.nan
    (tmp_path / "broken.json").write_text("{")
    hardware = {
        "*": PHYSICAL,
        "second": PHYSICAL.replace(**{"device.parameters": "nowhere.json"}),
        "again": PHYSICAL.replace(**{"device.parameters": str(tmp_path / "broken.json")}),
        "nobody": PHYSICAL,
    }
    check = memrix.check(model, hardware, layers=["first", "second", "again", "mix"])
    assert not check.ok
    for text in (
        "'nobody' matches no layer",
        "'mix' cannot be mapped: Bilinear has no crossbar counterpart for its weight; leave it out of the selection; "
        "a layer type of your own can be given one: 'Add your own layer' in the documentation (docs/own-layer.md)",
        "'first' and 'again' share one weight",
        "NaN or infinite values: second;",
        "'nowhere.json' cannot be read",
        "broken.json' are not valid JSON",
    ):
        assert sum(text in problem for problem in check.problems) == 1, text
    assert len(check.problems) == 6
    with pytest.raises(memrix.MemrixError):
        memrix.program(model, hardware, layers=["first", "second", "again", "mix"])


def test_missing_calibration_is_a_note():
    model, tuned = Net(), PHYSICAL.replace(**{"adc.per_layer": True})
    layers = ["first", "second"]
    assert noted(memrix.check(model, tuned, layers=layers), "not calibrated yet: first, second")
    memrix.calibrate(model, [X], PHYSICAL, layers=layers)
    check = memrix.check(model, tuned, layers=layers)
    assert noted(check, "calibration samples that this hardware is tuned with: first, second")
    assert not any(layer.calibrated for layer in check.layers)
    memrix.calibrate(model, [X], tuned, layers=layers)
    assert all(layer.calibrated for layer in memrix.check(model, tuned, layers=layers).layers)
    memrix.program(model, tuned, layers=layers)


@pytest.mark.parametrize(
    ("change", "learned", "other"),
    [
        ({}, False, False),
        ({"weight_bits": 5}, False, True),
        ({"weight_scale": "per-tensor"}, False, True),
        ({"weight_range": "mean-square-error"}, False, True),
        ({"weight_range": "mean-square-error"}, True, False),
        ({"dac.bits": 6}, False, True),
        ({"mapping": "multi-level", "programming": "ideal"}, False, False),
    ],
)
def test_hardware_of_other_integers_than_those_of_the_training_is_noted(change, learned, other):
    model, layers = nn.Sequential(nn.Linear(200, 10), nn.Linear(10, 2)), ["0"]
    memrix.calibrate(model, [X], PHYSICAL, layers=layers)
    memrix.quantize(model, PHYSICAL, memrix.Quantization(learned_steps=learned), layers=layers)
    check = memrix.check(model, PHYSICAL.replace(**change))
    assert noted(check, "than they are to be programmed with: 0") == other
    # The note is right: the integers are others, or they are not.
    as_trained, as_asked = (
        memrix.program(model, hardware.replace(noise="off"), layers=layers)[0]
        for hardware in (PHYSICAL, PHYSICAL.replace(**change))
    )
    same = torch.equal(integers_of(as_trained)[1], integers_of(as_asked)[1])
    assert (same and as_trained.memrix.activation_step == as_asked.memrix.activation_step) != other


def test_layers_that_stay_digital_are_listed_and_those_without_counterpart_noted():
    check = memrix.check(Net(), {"*": PHYSICAL, "second": None})
    reasons = {layer.name: layer.reason for layer in check.digital}
    assert list(reasons) == ["second", "table", "mix"]
    assert reasons["second"] == "the hardware makes it digital (pattern 'second')"
    assert "select it by name" in reasons["table"]
    assert "Bilinear has no crossbar counterpart" in reasons["mix"]
    assert check.ok
    told = (
        "these layers cannot be mapped and stay digital (reasons below): mix; to silence this, name the layers to map"
    )
    assert noted(check, f"{told}: layers=[...]")
    how = "a layer type of your own can be given one: 'Add your own layer' in the documentation (docs/own-layer.md)"
    assert str(check).endswith(f"\n{how}")
    assert f"<p>{how.replace(chr(39), '&#x27;')}</p>" in check._repr_html_()
    assert how not in str(memrix.check(nn.Sequential(nn.Linear(4, 2), nn.Embedding(3, 4)), PHYSICAL))
    with pytest.warns(memrix.CoverageWarning, match=r"be mapped and stay digital: 'mix' \(Bil.*layers=\[\.\.\.\]$"):
        memrix.quantize(Net(), {"*": PHYSICAL, "second": None})


@pytest.mark.parametrize(
    ("hardware", "layers", "reason"),
    [
        (PHYSICAL.replace(layers={"sec*": "digital"}), None, "the hardware makes it digital (pattern 'sec*')"),
        ({"*": PHYSICAL, "second": None}, None, "the hardware makes it digital (pattern 'second')"),
        (PHYSICAL.replace(layers={"second": {"weight_bits": 3}}), ["first"], "not selected"),
        ({"first": PHYSICAL}, None, "not selected"),
    ],
)
def test_the_reason_tells_a_layer_that_the_hardware_makes_digital_from_one_that_nobody_selected(
    hardware, layers, reason
):
    digital = {layer.name: layer.reason for layer in memrix.check(Net(), hardware, layers=layers).digital}
    assert digital["second"] == reason
    assert "Bilinear has no crossbar counterpart" in digital["mix"]


def test_hardware_that_makes_every_layer_digital_is_told():
    (problem,) = memrix.check(nn.Linear(3, 2), PHYSICAL.replace(layers={"*": "digital"})).problems
    assert "the hardware makes it digital (pattern '*')" in problem


def test_parts_of_composite_layers_are_planned_and_not_digital():
    class Twice(nn.Module):
        """Multiplies by both halves of a matrix without calling anything."""

        def __init__(self) -> None:
            super().__init__()
            self.matrix = nn.Parameter(torch.ones(4, 3))

    class DecomposedTwice(DecomposedLayer):
        pass

    def part(start: int) -> nn.Linear:
        return nn.Linear(3, 2 + start)

    register_composite(Composite(Twice, DecomposedTwice, lambda module: {"upper": part(0), "lower": part(1)}))
    model = nn.Sequential(Twice())
    check = memrix.check(model, PHYSICAL)
    assert [(layer.name, layer.kind, layer.weight_shape) for layer in check.layers] == [
        ("0.upper", "Linear", (2, 3)),
        ("0.lower", "Linear", (3, 3)),
    ]
    assert not check.digital
    assert type(model[0]) is Twice


def test_range_of_the_adc():
    # 200 inputs fill tiles of 128 rows, and a converter of 4 bits of range ends at 2**3 pairs.
    layers = ["first", "second"]
    check = memrix.check(Net(), PHYSICAL, layers=layers)
    assert noted(check, "clips readings at 8, and 128 rows at full input can read up to 128: first;")
    assert noted(check, "clips readings at 8, and 10 rows at full input can read up to 10: second;")
    wide = PHYSICAL.replace(**{"adc.range_bits": 8})
    assert not noted(memrix.check(Net(), wide, layers=layers), "clips")
    amplified = wide.replace(**{"adc.gain": 2.0})
    assert noted(memrix.check(Net(), amplified, layers=layers), "clips readings at 64, and 128 rows")
    tuned = PHYSICAL.replace(**{"adc.per_layer": True})
    assert not noted(memrix.check(Net(), tuned, layers=layers), "clips")


@pytest.mark.parametrize(("rows", "inexact"), [(1 << 17, False), ((1 << 17) + 1, True)])
def test_tiles_beyond_what_float32_adds_up_exactly(rows, inexact):
    # 2**17 rows of a DAC of 2**7 codes are 2**24 steps.
    hardware = PHYSICAL.replace(**{"tile.rows": 1 << 20, "adc.range_bits": 20, "adc.precision_bits": 4})
    check = memrix.check(nn.Linear(rows, 1), hardware)
    assert noted(check, "float32 adds up to 16,777,216 steps exactly") == inexact


def test_what_is_no_model_or_no_hardware_is_a_problem_too():
    for model, hardware, text in (
        ([1], PHYSICAL, "torch.nn.Module, got list"),
        (Net(), "paper", "expected a memrix.Hardware"),
        (nn.LazyLinear(3), PHYSICAL, "no weights yet"),
        (nn.ReLU(), PHYSICAL, "no layer with a weight matrix"),
    ):
        (problem,) = memrix.check(model, hardware).problems
        assert text in problem


def test_prints_within_120_columns_and_exports_to_json():
    model = nn.ModuleDict({"a_block_with_a_long_name_" * 4: Net()})
    with torch.no_grad():
        next(model.parameters()).fill_(torch.inf)
    check = memrix.check(model, PHYSICAL)
    text = str(check)
    assert text.startswith("1 problem\n")
    assert max(map(len, text.splitlines())) <= 120
    assert json.loads(json.dumps(check.to_dict(), allow_nan=False))["ok"] is False
    assert str(memrix.check(Net(), PHYSICAL, layers="first")).startswith("no problem\n")


def test_bits_print_as_they_are():
    for bits, shown in ((1.5, " 1.5 "), (3, " 3 ")):
        assert shown in str(memrix.check(Net(), PHYSICAL.replace(weight_bits=bits), layers="first"))
