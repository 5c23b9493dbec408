"""What a reading does to the cells where readings switch them: before it, and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from memrix._support.torch_internals import exporting
from memrix._support.transforms import is_traced
from memrix.errors import ConversionError

if TYPE_CHECKING:
    from memrix.crossbar.crossbar import Crossbar


def before_reading(crossbar: Crossbar) -> None:
    """Let the readings so far switch the cells that they do.

    Raises:
        ConversionError: a graph is to be recorded.
    """
    if crossbar.word_lines is None:
        return
    if is_traced() or exporting():
        tracer = "torch.jit.trace" if is_traced() else "torch.export"
        raise ConversionError(
            f"{tracer} cannot record readings that switch cells of layer {crossbar.name!r}; program the chip with "
            f"device.read_disturb = False"
        )
    from memrix.crossbar.outside_graphs import settle

    settle(crossbar)


def after_reading(crossbar: Crossbar, windows: Tensor, vector_axes: int, codes_per_unit: Tensor) -> None:
    """Remember what word lines have seen."""
    if crossbar.word_lines is not None:
        from memrix.crossbar.outside_graphs import see

        see(crossbar, windows.flatten(1 + vector_axes), codes_per_unit)


def after_reading_rows(crossbar: Crossbar, rows: Tensor) -> None:
    """Remember which rows were read."""
    if crossbar.word_lines is not None:
        from memrix.crossbar.outside_graphs import see_rows

        see_rows(crossbar, rows)
