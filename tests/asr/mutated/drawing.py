"""Draws of files that were damaged or forged, the same ones each time."""

import random

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from memrix.errors import MemrixError
from tests.mutations import LONG_NUMBER, NASTY, mutations

FEW, MANY = 30, 1000
COUNTS = [FEW, pytest.param(MANY, marks=pytest.mark.slow)]


def explore(strategy, check, count):
    """Run a check on so many draws, the same ones each time."""

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def run(drawn):
        check(drawn)

    run()


def changed(tree, values=NASTY):
    """Trees that differ from one in one field, or in two."""
    once = st.sampled_from([mutated for _, mutated in mutations(tree, values)])
    return once | once.flatmap(
        lambda mutated: st.sampled_from([again for _, again in mutations(mutated, values[::5])] or [mutated])
    )


def with_other_bytes(content):
    """A file with a few bytes changed, cut off, or doubled."""

    def damaged(seed):
        draw = random.Random(seed)
        parts = bytearray(content)
        for _ in range(draw.choice((1, 1, 1, 5))):
            parts[draw.randrange(len(parts))] = draw.randrange(256)
        return bytes(draw.choice((parts, parts[: draw.randrange(len(parts))], parts + parts)))

    return st.integers(0, 10**9).map(damaged)


def or_error(call, *arguments):
    """What a call returns, or None where it ends in an error of memrix."""
    try:
        return call(*arguments)
    except MemrixError:
        return None


def plain_values():
    """Values that ``json.dumps`` writes."""
    return tuple(value for value in NASTY if value is not LONG_NUMBER)
