import pytest
import torch

from memrix.crossbar import DAC
from memrix.quantization import activation_step, fake_quantize_activations


@pytest.mark.parametrize("bits", [2, 4, 8, 12])
def test_fake_quantiser_and_dac_agree_on_every_code(bits):
    dac = DAC(bits=bits)
    activations = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    step = activation_step(torch.tensor(2.5), dac.largest_code)
    expected = dac.codes(activations, step) * step
    torch.testing.assert_close(fake_quantize_activations(activations, step, dac.largest_code), expected)


def test_a_layer_that_sees_only_zeros_has_a_finite_step():
    step = activation_step(torch.tensor(0.0), 128)
    assert torch.isfinite(step.reciprocal())
    assert DAC().codes(torch.zeros(3), step).tolist() == [0, 0, 0]


def test_gradient_stops_where_the_range_ends():
    activations = torch.tensor([-3.0, 0.5, 3.0], requires_grad=True)
    fake_quantize_activations(activations, activation_step(torch.tensor(1.0), 128), 128).sum().backward()
    assert activations.grad.tolist() == [0.0, 1.0, 0.0]
