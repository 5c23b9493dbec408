import pytest
import torch

from memrix.errors import CalibrationError
from memrix.quantization.observers import RangeObserver


def observed(percentile: float, *batches: torch.Tensor) -> float:
    observer = RangeObserver(percentile)
    assert all(observer.observe(batch) for batch in batches)
    return observer.range()


def test_hundred_is_the_largest_magnitude():
    assert observed(100, torch.tensor([1.0, -7.25, 3.0]), torch.tensor([2.0])) == 7.25


def test_percentile_is_that_of_all_batches_together():
    values = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    expected = float(values.abs().quantile(0.999, interpolation="lower"))
    assert observed(99.9, *values.split(1_000)) == pytest.approx(expected, rel=2e-3)


def test_range_that_grows_between_batches_keeps_what_was_counted():
    small, large = torch.full((9_999,), 1.0), torch.tensor([1000.0])
    assert observed(99, small, large) == pytest.approx(1.0, abs=1000 / 8192)
    assert observed(100, small, large) == 1000.0


def test_one_outlier_does_not_set_the_range():
    values = torch.cat((torch.linspace(0, 1, 99_999), torch.tensor([500.0])))
    assert observed(99.99, values) == pytest.approx(1.0, abs=500 / 8192)


def test_zeros_do_not_crowd_out_the_few_values_of_a_sparse_input():
    values = torch.zeros(100_000)
    values[:5] = torch.tensor([0.5, -1.0, 1.5, 2.0, -2.5])
    assert observed(99.99, values) == 2.5


def test_zeros_count_where_few_others_are_clipped():
    # 1 of 1,000 values that are not zero is an outlier, 1 of 10,000 values in all
    values = torch.zeros(10_000)
    values[:1000] = 1.0
    values[0] = 500.0
    assert observed(99.99, values) == pytest.approx(1.0, abs=500 / 8192)


def test_few_values_keep_their_largest():
    assert observed(99.99, torch.tensor([0.5, 2.0])) == 2.0


@pytest.mark.parametrize("batches", [[torch.zeros(5)], [torch.zeros(5), torch.tensor([0.0, 3.0])]])
def test_zeros_are_observed_too(batches):
    assert observed(100, *batches) == float(batches[-1].max())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused(value):
    assert not RangeObserver(99).observe(torch.tensor([1.0, value]))


@pytest.mark.parametrize("percentile", [0, -1, 100.1, float("nan"), "99", None, True])
def test_percentiles_that_cannot_be(percentile):
    with pytest.raises(CalibrationError, match="at most 100"):
        RangeObserver(percentile)


def test_nothing_observed():
    with pytest.raises(CalibrationError, match="no activation"):
        RangeObserver(99).range()
