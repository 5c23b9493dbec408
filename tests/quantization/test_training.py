import pytest
import torch

from memrix.errors import SettingsError
from memrix.quantization import Quantization, learned_activations, learned_rows, updated_range
from memrix.quantization.least_error import least_error_range

NEVER = torch.tensor(torch.nan)


def follow(quantization: Quantization, *batches: list[float]) -> float:
    known = NEVER
    for batch in batches:
        known = updated_range(known, torch.tensor(batch), quantization, 128)
    return float(known)


def test_min_max_is_the_largest_magnitude_so_far():
    assert follow(Quantization(observer="min-max"), [1.0, -3.0], [2.0]) == 3.0


def test_moving_average_starts_at_the_first_batch_and_follows():
    quantization = Quantization(observer="moving-average", averaging=0.25)
    assert follow(quantization, [-4.0]) == 4.0
    assert follow(quantization, [-4.0], [8.0, 1.0]) == 5.0


def test_percentile_leaves_out_the_outlier():
    values = torch.cat([torch.linspace(0, 1, 1001), torch.tensor([100.0])])
    found = updated_range(NEVER, values, Quantization(observer="percentile", percentile=99.0), 128)
    assert 0.98 < float(found) < 1.0


def test_least_error_clips_an_outlier_that_would_leave_the_others_no_steps():
    values = torch.cat([torch.linspace(-1, 1, 1000), torch.tensor([40.0])])
    other = Quantization(observer="mean-square-error")
    assert float(updated_range(NEVER, values, other, 3)) == pytest.approx(40.0)
    many = torch.cat([torch.linspace(-1, 1, 100_000), torch.tensor([40.0])])
    assert float(least_error_range(many.abs(), 3)) == pytest.approx(1.0)


def test_a_fixed_range_stays():
    assert updated_range(torch.tensor(2.0), torch.tensor([9.0]), Quantization(observer="fixed"), 128) == 2.0


def test_least_error_range_of_values_on_the_grid_is_their_largest():
    assert float(least_error_range(torch.tensor([0.0, 1.0, 2.0, 3.0]), 3)) == 3.0


def test_least_error_range_is_no_worse_than_any_share_of_the_largest():
    values = torch.randn(3, 2000, generator=torch.Generator().manual_seed(0)).abs()

    def error(peak: torch.Tensor) -> torch.Tensor:
        step = (peak / 7)[:, None]
        return ((values / step).round().clamp(max=7) * step - values).square().sum(1)

    best = error(least_error_range(values, 7))
    for share in (0.3, 0.5, 0.7, 0.9, 1.0):
        assert (best <= error(values.amax(1) * share) * 1.02).all()


@pytest.mark.parametrize("step", [[0.5], [0.5, 0.25]])
def test_learned_rows_are_rounded_and_their_steps_have_a_gradient(step):
    rows = torch.tensor([[0.6, -1.6, 9.0], [0.2, 0.4, -9.0]], requires_grad=True)
    steps = torch.tensor(step, requires_grad=True)
    quantized = learned_rows(rows, steps, 3)
    assert quantized[0].tolist() == [0.5, -1.5, 1.5]
    quantized.sum().backward()
    assert rows.grad[0].tolist() == [1.0, 0.0 if -1.6 < -1.75 else 1.0, 0.0]
    assert steps.grad.shape == steps.shape
    assert steps.grad.abs().min() > 0


@pytest.mark.parametrize("outputs", [1, 6])
def test_values_and_gradients_are_those_of_pytorchs_own_operators(outputs):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(6, 50, generator=generator).requires_grad_()
    step = (0.1 + torch.rand(outputs, generator=generator)).requires_grad_()
    gradient = torch.randn(6, 50, generator=generator)
    zero, factor = torch.zeros(outputs), 1 / (300 / outputs * 3) ** 0.5
    if outputs == 1:
        expected = torch._fake_quantize_learnable_per_tensor_affine(rows, step, zero, -3, 3, factor)
    else:
        expected = torch._fake_quantize_learnable_per_channel_affine(rows, step, zero, 0, -3, 3, factor)
    found = learned_rows(rows, step, 3)
    assert torch.equal(found, expected)
    for mine, theirs in zip(
        torch.autograd.grad(found, (rows, step), gradient),
        torch.autograd.grad(expected, (rows, step), gradient),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


def test_a_step_that_went_negative_is_still_a_step():
    values = torch.tensor([0.26, -0.9])
    assert learned_activations(values, torch.tensor(-0.25), 2).tolist() == [0.25, -0.5]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"observer": "median"}, "observer must be one of 'fixed', 'min-max'"),
        ({"weight_noise": -0.1}, "weight_noise must be a number from 0"),
        ({"noise_start_epoch": -1}, "noise_start_epoch must be an integer from 0"),
        ({"percentile": 101}, "percentile must be a number from 50 to 100"),
        ({"averaging": 0}, "averaging must be"),
        ({"learned_steps": "yes"}, "learned_steps must be one of True, False"),
    ],
)
def test_settings_that_cannot_be_are_explained(setting, message):
    with pytest.raises(SettingsError, match=message):
        Quantization(**setting)


@pytest.mark.parametrize("shape", [(1,), (7,), (5000,), (30, 17), (3, 2500), (2, 3, 9)])
@pytest.mark.parametrize("largest", [1, 3, 127])
def test_compiled_and_tensor_searches_find_the_same_range(shape, largest):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0)).abs()
    in_doubles = least_error_range(values.double(), largest)  # tensors, on any device
    torch.testing.assert_close(least_error_range(values, largest).double(), in_doubles, rtol=1e-6, atol=0)


def test_least_error_range_of_zeros_is_zero_and_of_tiny_values_theirs():
    assert float(least_error_range(torch.zeros(4), 3)) == 0.0
    assert float(least_error_range(1e-30 * torch.tensor([0.0, 1.0, 2.0, 3.0]), 3)) == pytest.approx(3e-30)


def test_the_former_name_of_device_resampling_warns():
    with pytest.warns(DeprecationWarning, match="use Quantization.device_resampling"):
        quantization = Quantization(fresh_chips=True)
    assert quantization == Quantization(device_resampling=True)


def test_a_quantization_is_told_in_plain_values_and_made_of_them():
    quantization = Quantization(learned_steps=True, weight_noise=0.05)
    assert Quantization.from_dict(quantization.to_dict()) == quantization
    assert Quantization.from_dict({}) == Quantization()


def test_plain_values_that_are_no_quantization_are_all_named():
    with pytest.raises(SettingsError) as caught:
        Quantization.from_dict({"observr": "fixed", "weight_noise": -1.0})
    for part in ("there is no setting 'observr' (did you mean 'observer'?)", "weight_noise must be a number from 0"):
        assert part in str(caught.value)
    with pytest.raises(SettingsError, match="must be a table of settings, got 3"):
        Quantization.from_dict(3)
