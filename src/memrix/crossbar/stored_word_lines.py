"""Word lines as a file keeps them: checked before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from memrix._support.streams import Stream
from memrix.crossbar.mapping import POLARITIES, Layout
from memrix.crossbar.reach import Arriving, ExposedCells
from memrix.crossbar.word_lines import ARRIVING, CELL_PARTS, FORMER, STORED, without_ahead
from memrix.device import ReadRange
from memrix.device.block import Block
from memrix.device.variability import COUNT

_FLOAT, _WHOLE = torch.float32, torch.int64


def exposed_cells(
    stored: Mapping[str, Tensor], layout: Layout, reads: ReadRange, device: torch.device
) -> ExposedCells:
    """The cells of word lines that were stored, on a device."""
    parts = {name: stored[name].to(device, copy=True) for name in CELL_PARTS}
    if "left" in stored:
        parts["history"] = without_ahead(parts["history"], stored["left"].to(device))
    places = stored["places"].to(device, copy=True)
    # Word lines give them the stream of their chip.
    cells = Block(numbers=layout.cell_numbers(places), stream=Stream(0), **parts)
    arriving = None
    if ARRIVING[0] in stored:
        arriving = Arriving(*(stored[name].to(device, copy=True) for name in ARRIVING))
    return ExposedCells(places, cells, reads, arriving)


def stored_problems(stored: Mapping[str, Tensor], layout: Layout, largest_code: int, *, wired: bool) -> list[str]:
    """What keeps tensors from being those of word lines of a layout, read with codes up to the largest.

    ``wired``: whether wires resist.
    """
    missing = [f"{name} is missing" for name in (*STORED, *(ARRIVING if wired else ())) if name not in stored]
    missing += [f"{name} is not part of it, without wires" for name in ARRIVING if name in stored and not wired]
    former = [name for name in FORMER if name in stored]
    if len(former) == 1:
        missing.append(f"{former[0]} is there without {'left' if former[0] == 'ahead' else 'ahead'}")
    if missing:
        return missing
    count, lines = stored["places"].numel(), layout.row_tiles * layout.rows
    problems = []
    for name, (kind, shape) in _shapes(count, layout.groups, lines).items():
        if name not in stored:
            continue
        given = stored[name]
        fits = len(shape) == given.dim() and all(
            size in (None, own) for size, own in zip(shape, given.shape, strict=True)
        )
        if given.dtype != kind or not fits:
            expected = ["any" if size is None else size for size in shape]
            problems.append(f"{name} is {given.dtype} {list(given.shape)}, expected {kind} {expected}")
    if problems:
        return problems
    places = stored["places"]
    ends = {
        "places": POLARITIES * layout.groups * lines * layout.planes * layout.outputs - 1,
        **({"left": stored["ahead"].shape[1]} if former else {}),
        **dict.fromkeys(("cycles", "switched", "passes"), torch.iinfo(torch.int32).max),
    }
    problems = [
        f"{name} must lie between 0 and {end}"
        for name, end in ends.items()
        if bool(((stored[name] < 0) | (stored[name] > end)).any())
    ]
    if bool((places.diff() <= 0).any()):
        problems.append("places must be in ascending order")
    if bool((stored["seen"].abs() > largest_code).any()):
        problems.append(f"seen must lie between {-largest_code} and {largest_code}")
    problems += [
        f"{name} must lie between 0 and 1"
        for name in ARRIVING
        if name in stored and not bool(((stored[name] >= 0) & (stored[name] <= 1)).all())
    ]
    return problems + [
        f"{name} holds NaN or infinite values" for name in CELL_PARTS if not _valid(name, stored[name])
    ]


def _valid(name: str, values: Tensor) -> bool:
    # An infinite threshold is one that no voltage reaches.
    return not bool(values.isnan().any() if name.endswith("threshold") else (~values.isfinite()).any())


def _shapes(count: int, groups: int, lines: int) -> dict[str, tuple[torch.dtype, tuple[int | None, ...]]]:
    """Type and shape of what is stored; None: any size."""
    cell = (_FLOAT, (count,))
    return {
        "places": (_WHOLE, (count,)),
        "r": cell,
        "devices": (_FLOAT, (2 * COUNT, count)),
        "history": (_FLOAT, (count, None, COUNT)),
        "ahead": (_FLOAT, (count, None, COUNT)),
        "left": (_WHOLE, (count,)),
        "cycles": (torch.int32, (count,)),
        "features": (_FLOAT, (COUNT, count)),
        "set_threshold": cell,
        "reset_threshold": cell,
        "transition": (_FLOAT, (count, 2)),
        "seen": (torch.int32, (2, groups, lines)),
        "switched": (_WHOLE, (2,)),
        "passes": (_WHOLE, ()),
        **dict.fromkeys(ARRIVING, cell),
    }
