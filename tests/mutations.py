"""Changes of JSON trees, one field at a time: what a damaged or forged file may hold."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]

DELETED = object()  # in the place of a value: the field is not there
LONG_NUMBER = 10**5000 - 1  # more digits than Python reads by default


def nested(depth: int) -> list[Any]:
    """Lists inside lists."""
    tree: list[Any] = []
    for _ in range(depth):
        tree = [tree]
    return tree


NASTY: tuple[Any, ...] = (
    DELETED,
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    7.5,
    -0.0,
    1e-320,
    10**9,
    2**31,
    2**63,
    2**64,
    10**30,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    LONG_NUMBER,
    "",
    "x",
    "1",
    "nan",
    "\0",
    "\udc80",
    "a" * 10_000,
    [],
    {},
    [1],
    [[]],
    {"x": 1},
    [None] * 1000,
    nested(50),
)


def places(tree: Any, at: Path = ()) -> Iterator[Path]:
    """Paths of all values of a tree, the tree itself first."""
    yield at
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from places(value, (*at, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from places(value, (*at, index))


def value_at(tree: Any, path: Path) -> Any:
    """The value of a path."""
    for step in path:
        tree = tree[step]
    return tree


def replaced(tree: Any, path: Path, value: Any) -> Any:
    """A copy of a tree with another value at a path, or with none there."""
    if not path:
        return value
    changed = copy.copy(tree)
    first, *rest = path
    if rest:
        changed[first] = replaced(tree[first], tuple(rest), value)
    elif value is DELETED:
        del changed[first]
    else:
        changed[first] = value
    return changed


def mutations(tree: Any, values: tuple[Any, ...] = NASTY) -> Iterator[tuple[str, Any]]:
    """What was changed, and the changed tree: every field with every value, every table with a field more."""
    for path in places(tree):
        shown = ".".join(map(str, path)) or "(all)"
        for value in values:
            if path or value is not DELETED:
                yield f"{shown} = {shortened(value)}", replaced(tree, path, value)
        found = value_at(tree, path)
        if isinstance(found, dict):
            yield f"{shown} with a field more", replaced(tree, path, {**found, "unheard of": 1})
        elif isinstance(found, list) and found:
            yield f"{shown} with an item more", replaced(tree, path, [*found, found[-1]])
            yield f"{shown} with an item less", replaced(tree, path, found[:-1])


def shortened(value: Any) -> str:
    """A value for the name of a test."""
    if value is DELETED:
        return "(deleted)"
    if value is LONG_NUMBER:
        return "(5000 digits)"
    if isinstance(value, int) and value.bit_length() > 1000:
        return "(long number)"
    text = ascii(value)
    return text if len(text) < 40 else f"{text[:37]}..."


def json_text(tree: Any) -> str:
    """JSON of a tree, numbers of any length and constants such as NaN included."""
    marker = '"(5000 digits)"'
    text = json.dumps(_marked(tree, json.loads(marker)))
    return text.replace(marker, "9" * 5000)


def _marked(tree: Any, marker: str) -> Any:
    if tree is LONG_NUMBER:
        return marker
    if isinstance(tree, dict):
        return {key: _marked(value, marker) for key, value in tree.items()}
    return [_marked(value, marker) for value in tree] if isinstance(tree, (list, tuple)) else tree


# Texts that are no tree: what a parser has to refuse by itself.
NASTY_TEXTS: dict[str, str] = {
    "empty": "",
    "cut short": '{"a": 1',
    "deep lists": "[" * 100_000,
    "deep tables": '{"a":' * 100_000,
    "closed deep lists": "[" * 100_000 + "]" * 100_000,
    "a number": "1",
    "a long number": "9" * 5000,
    "a constant": "NaN",
    "text": '"x"',
    "a control character": '{"a": "\0"}',
    "a lone surrogate": '{"a": "\\udc80"}',
    "two documents": "{}{}",
}


def with_duplicate(text: str, key: str, value: str) -> str:
    """JSON text of a table in which a key is written twice, the first time with another value."""
    return text.replace(f'"{key}":', f'"{key}": {value}, "{key}":', 1)


@functools.cache
def trees() -> Any:
    """A strategy of hypothesis: any JSON tree, small numbers and texts first."""
    from hypothesis import strategies as st

    numbers = st.integers(-(2**70), 2**70) | st.floats()
    leaves = st.none() | st.booleans() | numbers | st.text(max_size=9)
    return st.recursive(
        leaves, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=9), inside, max_size=3)
    )
