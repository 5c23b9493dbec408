"""Equal DAC steps lose gain, since the current at negative voltages is smaller; one digital factor gives it back."""

import pytest
import torch
from torch import nn

import memrix
from memrix import Hardware
from memrix.crossbar import DAC
from memrix.device import CellCurrent, load_parameters
from tests.crossbar.test_crossbar import crossbar

VOLTS = {"dac.vmax": 0.6}
QUIET = Hardware.preset("ideal").replace(**VOLTS)  # no spread, no noise, fine converters: what is left is the curve


def result_gain(levels: str) -> float:
    """Least-squares slope of the results of a crossbar over the exact products, in float64."""
    hardware = QUIET.replace(**{"dac.levels": levels})
    generator = torch.Generator().manual_seed(3)
    weights = torch.randint(-7, 8, (1, 200, 20), generator=generator, dtype=torch.int32)
    codes = (torch.randn(1, 1, 500, 200, generator=generator) * 32).round().clamp(-128, 128)
    exact = (codes[0, 0].double() / 128 @ weights[0].double()).flatten()
    read = crossbar(hardware, weights=weights)(codes)[0, 0].double().flatten()
    return float(read @ exact / (exact @ exact))


def test_equal_steps_lose_four_percent_that_the_factor_gives_back():
    assert result_gain("equal") == pytest.approx(0.962, abs=0.003)
    assert result_gain("gain-corrected") == pytest.approx(1.0, abs=0.003)
    assert result_gain("linearizing") == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("preset", ["physical", "tuned", "ideal"])
def test_every_preset_but_paper_corrects_its_gain(preset):
    assert Hardware.preset(preset).dac.levels in ("gain-corrected", "linearizing")
    assert Hardware.preset("paper").dac == DAC(bits=8, vmax=0.6, levels="equal")


def test_descriptions_that_name_equal_steps_keep_them():
    saved = {"dac": {"bits": 8, "vmax": 0.6, "levels": "equal"}}
    dac = Hardware.from_dict(saved).dac
    assert dac.levels == "equal"
    assert dac.digital_gain(CellCurrent(load_parameters())) == 1.0


def test_rows_that_are_looked_up_at_the_largest_code_need_no_factor():
    table = nn.Embedding(9, 5)
    model = nn.Sequential(table)
    results = []
    for levels in ("equal", "gain-corrected"):
        hardware = QUIET.replace(**{"dac.levels": levels})
        chip = memrix.program(model, hardware, layers=["0"])
        results.append(chip(torch.arange(9)))
    assert torch.equal(*results)
    step = table.weight.detach().abs().amax(0) / 7
    assert ((results[0] - table.weight).abs() <= step / 2 + 1e-3).all()


def test_gradients_of_the_input_are_those_of_the_corrected_results():
    """A full step up and down on the chip, against what the gradient says, with noise-free cells."""
    hardware = QUIET.replace(**{"dac.levels": "gain-corrected", "dac.bits": 12})
    layer = nn.Linear(30, 4)
    with torch.no_grad():
        layer.weight.abs_()
    x = torch.rand(64, 30, generator=torch.Generator().manual_seed(0))
    memrix.calibrate(layer, [x], hardware)
    chip = memrix.program(layer, hardware)
    middle = (x / 2).requires_grad_()
    chip(middle).sum().backward()
    change = (chip(x * 0.51) - chip(x * 0.49)).sum()
    assert float((middle.grad * x).sum() * 0.02) == pytest.approx(float(change.detach()), rel=0.02)
