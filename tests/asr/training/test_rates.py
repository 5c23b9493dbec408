"""Learned steps are trained in proportion to their size."""

import pytest
import torch
from torch import nn

import memrix
from memrix.asr.training.rates import STEP_RATE, parameter_groups, set_rates
from memrix.errors import ConversionError

HARDWARE = memrix.Hardware.preset("ideal").replace(weight_bits=3, weight_range="mean-square-error")


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_a_step_of_any_size_changes_by_the_same_share(scale):
    torch.manual_seed(0)
    model, values = nn.Sequential(nn.Linear(20, 8), nn.Linear(8, 4)), scale * torch.randn(50, 20)
    model[0].weight.data /= scale
    memrix.calibrate(model, [values], HARDWARE)
    memrix.quantize(model, HARDWARE, memrix.Quantization(learned_steps=True))
    optimizer = torch.optim.AdamW(parameter_groups(model, low_bit=True), 0.0, weight_decay=0.1)
    steps = memrix.learned_steps(model)
    assert len(steps) == 4
    before = [step.detach().clone() for step in steps]
    for _ in range(10):
        set_rates(optimizer.param_groups, 1e-4)
        optimizer.zero_grad()
        (model.train()(values) - 1).square().mean().backward()
        optimizer.step()
    for step, start in zip(steps, before, strict=True):
        change = float((step.detach() - start).abs().mean() / start.abs().mean())
        assert 1e-4 < change < 1.1 * 10 * 1e-4 * STEP_RATE


def test_a_model_in_float_has_one_group_and_frozen_parameters_are_in_none():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    model[0].requires_grad_(requires_grad=False)
    (group,) = parameter_groups(model, low_bit=False)
    assert [id(each) for each in group["params"]] == [id(each) for each in model[1].parameters()]
    groups = torch.optim.SGD([group], lr=1.0).param_groups
    set_rates(groups, 0.25)
    assert groups[0]["lr"] == 0.25


def test_a_model_without_quantized_layers_has_no_steps():
    with pytest.raises(ConversionError, match=r"call memrix\.quantize first"):
        memrix.learned_steps(nn.Linear(2, 2))
