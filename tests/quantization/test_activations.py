import pytest
import torch

from memrix.crossbar import DAC
from memrix.quantization import activation_step, fake_quantize_activations, quantized_activations


@pytest.mark.parametrize("bits", [2, 4, 8, 12])
def test_fake_quantizer_and_dac_agree_on_every_code(bits):
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


@pytest.mark.parametrize("largest", [1, 7, 127, 128])
def test_values_and_gradients_are_those_of_torch_s_fake_quantizer(largest):
    """At ties, too: half a step beyond the range, an even code takes what an odd one leaves."""
    step = torch.tensor(0.25)
    ties = 0.25 * torch.arange(-largest - 3, largest + 3.5, 0.5)
    activations = torch.cat((torch.randn(5000, generator=torch.Generator().manual_seed(1)) * largest * 0.2, ties))
    upstream = torch.randn(len(activations), generator=torch.Generator().manual_seed(2))
    zero = torch.tensor(0, dtype=torch.int32)
    found = []
    for quantize in (
        lambda values: fake_quantize_activations(values, step, largest),
        lambda values: torch.fake_quantize_per_tensor_affine(values, step, zero, -largest, largest),
    ):
        values = activations.clone().requires_grad_()
        result = quantize(values)
        result.backward(upstream)
        found.append((result.detach(), values.grad, quantize(activations)))
    for mine, theirs in zip(*found, strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("peak", [1e-38, 1e-30, 0.1, 1.7, 2.5, 1e20])
def test_a_range_that_is_a_number_gives_the_same_bits_as_a_tensor(peak):
    activations = peak * torch.randn(5000, generator=torch.Generator().manual_seed(0))
    for largest in (8, 128, 2048):
        step = activation_step(torch.tensor(peak, dtype=torch.float32), largest)
        expected = fake_quantize_activations(activations, step, largest)
        assert torch.equal(quantized_activations(activations, peak, largest), expected)
