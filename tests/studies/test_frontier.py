"""One option for each layer: the least error for every cost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from memrix.studies.frontier import Frontier


def problem(layers: int, options: int) -> tuple[list[list[float]], list[list[float]]]:
    generator = np.random.default_rng(0)
    costs = [list(map(float, np.cumsum(generator.integers(1, 9, options)))) for _ in range(layers)]
    errors = [list(map(float, sorted(generator.random(options), reverse=True))) for _ in range(layers)]
    return costs, errors


def test_it_finds_what_trying_everything_finds() -> None:
    costs, errors = problem(6, 4)
    frontier = Frontier(costs, errors)
    everything = [
        (
            sum(c[o] for c, o in zip(costs, picked, strict=True)),
            sum(e[o] for e, o in zip(errors, picked, strict=True)),
        )
        for picked in itertools.product(range(4), repeat=6)
    ]
    for limit in range(20, 100, 7):
        found = frontier.within(limit)
        least = min((error for cost, error in everything if cost <= limit), default=None)
        assert (found is None) == (least is None)
        if found is not None:
            assert found.error == pytest.approx(least)
            assert found.cost == sum(c[o] for c, o in zip(costs, found.options, strict=True)) <= limit


def test_the_frontier_falls_and_begins_with_the_cheapest() -> None:
    costs, errors = problem(5, 3)
    frontier = Frontier(costs, errors)
    assert frontier[0].options == (0,) * 5
    assert all(np.diff(frontier.costs) > 0)
    assert all(np.diff(frontier.errors) < 0)
    assert frontier.within(frontier.costs[0] - 1) is None
    assert frontier.within(1e9).error == frontier.errors[-1]


def test_of_hundreds_of_layers_it_is_next_to_the_bound() -> None:
    costs, errors = problem(300, 6)
    costs = [[each + 0.001 * number for each in row] for number, row in enumerate(costs)]
    frontier = Frontier(costs, errors)
    found = frontier[len(frontier) // 2]
    # Lagrange: for no price of a cost is there less error and cost together.
    prices = np.geomspace(1e-4, 1, 400)
    bound = max(
        sum(min(e + price * c for c, e in zip(*rows, strict=True)) for rows in zip(costs, errors, strict=True))
        - price * found.cost
        for price in prices
    )
    assert bound <= found.error <= 1.01 * bound
