"""Choices of one option for each layer: the least error for every total cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_MOST_PLANS = 1 << 13  # that are kept: more are thinned out by their cost
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """One option for each layer.

    Attributes:
        cost: of all of them.
        error: of all of them.
        options: which one, by layer.
    """

    cost: float
    error: float
    options: tuple[int, ...]


class Frontier:
    """All choices that nothing cheaper is better than: by dynamic programming, layer by layer.

    It is exact as long as no more than 8192 sums of costs are better than all cheaper ones; beyond that the best of
    those is kept whose costs differ by less than a part in 8192 of the whole range.

    Args:
        costs: of the options of each layer.
        errors: likewise; they add up over the layers.
    """

    def __init__(self, costs: Sequence[Sequence[float]], errors: Sequence[Sequence[float]]) -> None:
        self._steps: list[tuple[npt.NDArray[np.int64], int]] = []
        cost, error = np.zeros(1), np.zeros(1)
        for of_cost, of_error in zip(costs, errors, strict=True):
            cost = (cost[:, None] + np.asarray(of_cost, float)).ravel()
            error = (error[:, None] + np.asarray(of_error, float)).ravel()
            kept = _thinned(cost, _better(cost, error))
            self._steps.append((kept, len(of_cost)))
            cost, error = cost[kept], error[kept]
        self.costs, self.errors = cost, error

    def __len__(self) -> int:
        return len(self.costs)

    def __getitem__(self, number: int) -> Choice:
        """A choice by its number, the cheapest is 0."""
        at, options = number, []
        for kept, count in reversed(self._steps):
            at, option = divmod(int(kept[at]), count)
            options.append(option)
        return Choice(float(self.costs[number]), float(self.errors[number]), tuple(reversed(options)))

    def within(self, cost: float) -> Choice | None:
        """The choice with the least error among those that cost no more; None if all do."""
        number = int(np.searchsorted(self.costs, cost * (1 + 1e-12), side="right")) - 1
        return None if number < 0 else self[number]


def _better(cost: Numbers, error: Numbers) -> npt.NDArray[np.int64]:
    """Where the error is less than that of everything cheaper, in ascending order of cost."""
    order = np.lexsort((error, cost))
    least = np.minimum.accumulate(np.concatenate([[np.inf], error[order]]))
    return np.asarray(order[error[order] < least[:-1]], np.int64)


def _thinned(cost: Numbers, kept: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Of many, those with the least error in equal intervals of cost, which are the last ones of each."""
    if len(kept) <= _MOST_PLANS:
        return kept
    low, high = cost[kept[0]], cost[kept[-1]]
    interval = ((cost[kept] - low) * ((_MOST_PLANS - 1) / (high - low))).astype(np.int64)
    last = np.append(interval[1:] != interval[:-1], True)
    last[0] = True  # the cheapest of all
    return np.asarray(kept[last], np.int64)
