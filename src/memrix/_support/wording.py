"""Values in messages. Imports no numpy: `memrix --help` waits for nothing."""

from __future__ import annotations

import errno
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from memrix.errors import MemrixError

_LONGEST = 60  # characters of a value that a message shows


def shown(value: object) -> str:
    """A value as a message shows it: one short line, whatever was given.

    Args:
        value: any object.
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # numbers of thousands of digits have no text, and a user's object may raise anything
        text = (
            f"a {type(value).__name__} too large to show" if isinstance(value, int) else f"a {type(value).__name__}"
        )
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def listing(problems: Iterable[str], most: int | None = None) -> str:
    """Problems as the indented lines that end an error message; of many, the first.

    Args:
        problems: one line each.
        most: problems to be listed at most; None: all.
    """
    lines = list(problems)
    if most is not None and len(lines) > most:
        lines = [*lines[:most], f"and {len(lines) - most} more"]
    return "".join(f"\n  {line}" for line in lines)


def reason_of(error: Exception) -> str:
    """What an error of another library says, in one line that leaves room for the fix.

    Args:
        error: any.
    """
    said = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
    return textwrap.shorten(said or type(error).__name__, 200, placeholder=" ...")


@contextmanager
def explained(
    kind: type[MemrixError],
    what: str,
    fix: str = "",
    caught: type[Exception] | tuple[type[Exception], ...] = OSError,
    *,
    full: str = "",
    reason: Callable[[Exception], str] = reason_of,
) -> Iterator[None]:
    """A block whose errors of other libraries are told as one of memrix.

    Args:
        kind: of the error.
        what: went wrong; the reason follows.
        fix: what to do.
        caught: errors that are told; those of ``kind`` pass.
        full: what to do instead where the disk is full.
        reason: what an error says.
    """
    try:
        yield
    except caught as error:
        if isinstance(error, kind):
            raise
        if full and getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            fix = full
        raise kind(f"{what} ({reason(error)}){'; ' if fix else ''}{fix}") from error
