"""Fair timing on a noisy machine: competitors take turns, and ratios are taken turn by turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def take_turns(
    competitors: Mapping[str, Callable[[], object]], *, rounds: int, warm_up: int = 2, settle: bool = False
) -> dict[str, list[float]]:
    """Seconds of every call: one of each competitor in turn, ``rounds`` times after the warm-up.

    With ``settle`` each has a call that is not timed right before the one that is: threads of the library before go
    on spinning for a while after their last task, and memory that lay idle has to be fetched again. Nobody pays for
    the others then.
    """
    seconds: dict[str, list[float]] = {name: [] for name in competitors}
    for turn in range(warm_up + rounds):
        for name, call in competitors.items():
            if settle:
                call()
            start = time.perf_counter()
            call()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def median_ratio(seconds: Mapping[str, list[float]], name: str, baseline: str) -> float:
    """Median over the turns of one competitor's time over the baseline's of the same turn."""
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[baseline], strict=True))
