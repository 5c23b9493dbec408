import pytest
import torch

from memrix.quantization import fake_quantize_rows, largest_integer, weight_integers, weight_step

WEIGHT = torch.tensor([[0.6, -0.3, 0.1], [0.06, 0.03, -0.05]])


def test_three_bits_hold_minus_three_to_three():
    assert largest_integer(3) == 3


def test_integers_per_tensor():
    step = weight_step(WEIGHT, 3, "per-tensor")
    torch.testing.assert_close(step, torch.tensor([0.2]))
    # -0.3 / 0.2 is a tie, or next to one: it may only be -1 or -2, and the same as in the fake quantizer
    integers = weight_integers(WEIGHT, step, 3)
    assert integers[:, [0, 2]].tolist() == [[3, 0], [0, 0]]
    torch.testing.assert_close(integers * step, fake_quantize_rows(WEIGHT, step, 3))


def test_integers_per_output_channel_use_the_whole_range_of_each():
    step = weight_step(WEIGHT, 3, "per-output-channel")
    torch.testing.assert_close(step, torch.tensor([0.2, 0.02]))
    assert weight_integers(WEIGHT, step, 3)[1, 0] == 3
    torch.testing.assert_close(weight_integers(WEIGHT, step, 3) * step[:, None], fake_quantize_rows(WEIGHT, step, 3))


@pytest.mark.parametrize("scale", ["per-tensor", "per-output-channel"])
def test_weights_that_are_all_zero_stay_zero(scale):
    step = weight_step(torch.zeros(4, 5), 4, scale)
    assert not weight_integers(torch.zeros(4, 5), step, 4).any()


@pytest.mark.parametrize("bits", range(2, 9))
def test_no_integer_leaves_the_symmetric_range(bits):
    weight = torch.randn(50, 40, generator=torch.Generator().manual_seed(0))
    integers = weight_integers(weight, weight_step(weight, bits, "per-tensor"), bits)
    assert integers.abs().max() == largest_integer(bits)


def test_gradient_passes_straight_through():
    weight = WEIGHT.clone().requires_grad_()
    fake_quantize_rows(weight, weight_step(weight, 4, "per-tensor"), 4).sum().backward()
    torch.testing.assert_close(weight.grad, torch.ones_like(WEIGHT))
