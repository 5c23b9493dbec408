"""Sets of causes whose error powers tell the share of each: what a cause adds to others.

A cause that requires others is only in sets that have these, too.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from memrix.studies.causes import Cause, dependents, required

Pair = tuple[list[Cause], list[Cause]]
"""A set with a cause, and the same without it."""


def pairs_of(cause: Cause, acting: Sequence[Cause]) -> tuple[Pair, Pair]:
    """The first and the last that a cause can be added to: what it requires, and all that does not require it."""
    needed = [other for other in required(cause) if other in acting]
    others = [other for other in acting if other not in (cause, *dependents(cause))]
    return (([*needed, cause], needed), ([*others, cause], others))


def orders(acting: Sequence[Cause], count: int) -> list[list[Cause]]:
    """So many orders in which causes can be added one after the other: random ones, each followed by its reverse."""
    stream, found = random.Random(0), list[list[Cause]]()
    while len(found) < count:
        shuffled = list(acting)
        stream.shuffle(shuffled)
        found += [_allowed(shuffled), _allowed(shuffled[::-1])]
    return found[:count]


def pairs_in(order: Sequence[Cause]) -> dict[Cause, Pair]:
    """What each cause of an order is added to."""
    return {cause: ([*order[:place], cause], list(order[:place])) for place, cause in enumerate(order)}


def names_of(causes: Iterable[Cause]) -> frozenset[str]:
    """The names of the causes of a set."""
    return frozenset(cause.name for cause in causes)


def sets_of(acting: Sequence[Cause], in_orders: Sequence[Sequence[Cause]]) -> list[list[Cause]]:
    """All causes, which is first; then each set that shares are differences of, once."""
    pairs = [pair for cause in acting for pair in pairs_of(cause, acting)]
    pairs += [pair for order in in_orders for pair in pairs_in(order).values()]
    sets = {names_of(acting): list(acting)}
    for pair in pairs:
        for causes in pair:
            sets.setdefault(names_of(causes), causes)
    return list(sets.values())


def _allowed(order: Sequence[Cause]) -> list[Cause]:
    """The same order, but for causes that come right before the first one that requires them."""
    found: list[Cause] = []
    for cause in order:
        found += [each for each in (*required(cause), cause) if each in order and each not in found]
    return found
