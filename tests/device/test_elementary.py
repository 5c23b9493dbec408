import numpy as np
import pytest
import torch

from memrix._support import compilation
from memrix.device.elementary import exp2, log2, power

X = torch.linspace(-20, 20, 100_001)
POSITIVE = torch.logspace(-6, 6, 100_001)


def test_exponential_logarithm_and_power_are_those_of_numpy_to_rounding():
    np.testing.assert_allclose(exp2(X).numpy(), np.exp2(X.double().numpy()), rtol=2e-7)
    exact = np.log2(POSITIVE.double().numpy())
    np.testing.assert_allclose(log2(POSITIVE).numpy(), exact, rtol=2e-7, atol=2e-7)
    base = torch.linspace(0.001, 1.5, 100_001)
    np.testing.assert_allclose(power(base, 3.0567).numpy(), base.double().numpy() ** 3.0567, rtol=2e-6)


def test_ends():
    assert exp2(torch.tensor([0.0, 1.0, -3.0])).tolist() == [1.0, 2.0, 0.125]
    assert log2(torch.tensor([1.0, 0.5, 8.0])).tolist() == [0.0, -1.0, 3.0]
    assert exp2(torch.tensor([-1000.0, 1000.0])).tolist() == [2.0**-126, 2.0**127]
    assert power(torch.tensor([0.0]), 3.0).item() == pytest.approx(0, abs=1e-30)


@pytest.mark.skipif(not compilation.AVAILABLE, reason="numba is not there")
def test_machine_code_gives_the_same_bits():
    from memrix.device import cell_kernels

    @compilation.compiled
    def both(x, positive, out):
        for i in range(x.size):
            out[0, i] = cell_kernels.exp2(x[i])
            out[1, i] = cell_kernels.log2(positive[i])
            out[2, i] = cell_kernels.power(positive[i], np.float32(3.0567))

    out = np.empty((3, X.numel()), np.float32)
    both(X.numpy(), POSITIVE.numpy(), out)
    expected = torch.stack([exp2(X), log2(POSITIVE), power(POSITIVE, 3.0567)])
    assert torch.equal(torch.from_numpy(out), expected)
