"""Text in columns for a terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 120
_GAP = "  "
_NARROWEST = 12
_ELLIPSIS = "…"


def columns(rows: Sequence[Sequence[str]], width: int = WIDTH) -> str:
    """Aligned columns; where lines would be too wide, the front of the longest first cells gives way."""
    widths = _widths(rows)
    widths[0] = min(widths[0], max(_NARROWEST, width - sum(widths[1:]) - len(_GAP) * (len(widths) - 1)))
    return _aligned(rows, widths)


def explained(rows: Sequence[Sequence[str]], width: int = WIDTH) -> str:
    """Aligned columns, the last of which is wrapped over several lines."""
    widths = _widths(rows)
    widths[0] = min(widths[0], width // 3)
    widths[-1] = min(widths[-1], max(_NARROWEST, width - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)))
    lines: list[list[str]] = []
    for *cells, text in rows:
        first, *others = textwrap.wrap(text, widths[-1]) or [""]
        lines += [[*cells, first], *([*[""] * len(cells), other] for other in others)]
    return _aligned(lines, widths)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of a document."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names with commas; of many, the first and the number of the others.

    Args:
        names: in the order in which they are listed.
        most: names to be listed at most.
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def percent(share: float) -> str:
    """A share from 0 to 1 in whole percent, one that is not 0 at least as ``<1%``."""
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _aligned(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    lines = (
        _GAP.join(_shortened(cell, size).ljust(size) for cell, size in zip(row, widths, strict=True)) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _shortened(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    # The end of a layer's name tells more than its beginning.
    return _ELLIPSIS + text[len(text) - width + 1 :]


def decibels(sqnr: float | None, missing: str) -> str:
    """A ratio of signal to noise in dB, as a cell; of a layer without errors, and of one that has none, in words."""
    if sqnr is None:
        return missing
    return "exact" if math.isinf(sqnr) else f"{sqnr:.1f} dB"


def error_percent(share: float) -> str:
    """An error as a share, as a cell, with three digits."""
    return f"{100 * share:.3g} %"
