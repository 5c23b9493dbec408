"""Statistics over chips, and over chips and data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import t

from memrix.studies.estimates import Estimate, bootstrap_interval, t_interval, t_quantile
from memrix.studies.metric import Measured


def measured(values, weights=None) -> list[Measured]:
    values = torch.as_tensor(values, dtype=torch.float64)
    weights = torch.ones_like(values) if weights is None else torch.as_tensor(weights, dtype=torch.float64)
    return [Measured(*each) for each in zip(values, weights, strict=True)]


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 10, 19, 100, 501])
def test_quantiles_are_those_of_student(degrees):
    for share in (0.6, 0.95, 0.975, 0.9995):
        assert t_quantile(share, degrees) == pytest.approx(t.ppf(share, degrees), rel=1e-9)


def test_the_interval_over_chips_is_that_of_student():
    # Mean 3, standard deviation 1, t = 4.3027 for two degrees of freedom.
    assert t_interval([2.0, 3.0, 4.0], 0.95) == pytest.approx((3 - 4.30265 / 3**0.5, 3 + 4.30265 / 3**0.5), abs=1e-4)
    assert t_interval([2.0], 0.95) is None


def test_an_estimate_says_what_it_is_made_of():
    found = Estimate.of(measured([[1.0, 3.0], [3.0, 5.0]]), failed=1)
    assert (found.mean, found.deviation, found.chips, found.failed, found.items) == (3.0, 2**0.5, 2, 1, 2)
    assert found.quantiles[0.5] == 3.0
    assert found.half_width == pytest.approx(12.7062, abs=1e-3)


def test_weights_count_in_both_intervals():
    same = measured([[0.0, 1.0], [0.0, 1.0]], [[1.0, 3.0], [1.0, 3.0]])
    assert Estimate.of(same).interval == (0.75, 0.75)


def test_without_chips_or_with_one_there_is_no_interval():
    none, one = Estimate.of([], failed=2), Estimate.of(measured([[1.0, 2.0]]))
    assert (none.mean, none.quantiles, none.failed) == (None, {}, 2)
    assert (one.mean, one.deviation, one.interval, one.data_interval) == (1.5, None, None, None)


def test_chips_that_differ_in_items_have_no_interval_over_data():
    found = Estimate.of([*measured([[1.0, 2.0]]), *measured([[1.0, 2.0, 3.0]])])
    assert found.interval is not None
    assert (found.data_interval, found.items) == (None, 0)


@pytest.mark.parametrize(
    ("chips", "items", "deviation"), [(1.0, 0.0, 1 / 20**0.5), (0.0, 1.0, 1 / 100**0.5)], ids=["chips", "items"]
)
def test_the_bootstrap_has_the_deviation_of_the_mean(chips, items, deviation):
    generator = np.random.default_rng(0)
    of_chips, of_items = generator.normal(size=(20, 1)), generator.normal(size=(1, 100))
    of_chips, of_items = of_chips / of_chips.std(ddof=1), of_items / of_items.std(ddof=1)
    low, high = bootstrap_interval(measured(chips * of_chips + items * of_items), 0.95)
    assert (high - low) / (2 * 1.96) == pytest.approx(deviation, rel=0.1)


def test_the_bootstrap_repeats_itself():
    values = measured(np.random.default_rng(0).normal(size=(4, 9)))
    assert bootstrap_interval(values, 0.9) == bootstrap_interval(values, 0.9)
