"""Machine code of loops on a CPU, made on first use."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

try:
    import numba
    import numba.extending
except ImportError:
    numba = None

AVAILABLE = numba is not None  # without numba, everything runs in tensor operations
Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Machine code without the interpreter's lock, kept on disk for the next process."""
    return _compile(function)


def part_of_compiled(function: Function) -> Function:
    """For compiled functions to call."""
    return cast(Function, numba.extending.register_jitable(function))


def compiled_sums(function: Function) -> Function:
    """Likewise, where the order in which numbers are added up is free: a processor adds several at a time."""
    return _compile(function, fastmath={"reassoc"})


def _compile(function: Function, **options: Any) -> Function:  # noqa: ANN401
    if not AVAILABLE:
        return function
    compile_ = functools.partial(numba.njit, nogil=True, error_model="numpy", **options)
    try:
        return cast(Function, compile_(cache=True)(function))
    except RuntimeError:
        # Neither the package nor the user has a folder to keep it in: each process compiles again, which takes some
        # seconds.
        return cast(Function, compile_()(function))
