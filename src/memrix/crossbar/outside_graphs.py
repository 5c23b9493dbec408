"""What ``torch.compile`` cuts a graph at: cells that switch are no part of it.

To be imported where it is called: ``torch.compiler.disable`` imports the compiler, which takes seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from memrix.crossbar.crossbar import Crossbar


@torch.compiler.disable  # type: ignore[untyped-decorator]
def settle(crossbar: Crossbar) -> None:
    """Let the readings so far switch the cells that they do."""
    crossbar.settle_()


@torch.compiler.disable  # type: ignore[untyped-decorator]
def see(crossbar: Crossbar, vectors: Tensor, codes_per_unit: Tensor) -> None:
    """Remember the codes of vectors."""
    if crossbar.word_lines is not None:
        largest = crossbar.circuit.dac.largest_code
        crossbar.word_lines.see_((vectors * codes_per_unit).round_().clamp_(-largest, largest))


@torch.compiler.disable  # type: ignore[untyped-decorator]
def see_rows(crossbar: Crossbar, rows: Tensor) -> None:
    """Remember which rows were read."""
    if crossbar.word_lines is not None:
        crossbar.word_lines.see_rows_(rows)
