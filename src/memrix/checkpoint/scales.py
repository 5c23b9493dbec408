"""Scales of layers in files: the type, the shape and the values that each can have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from memrix.nn.inputs import type_name
from memrix.nn.keys import (
    COLUMN_GAIN,
    COLUMN_OFFSET,
    EPOCH,
    LEARNED_RANGE,
    LEARNED_WEIGHT_STEP,
    OUTPUT_RANGE,
    RANGE,
    STATE,
    WEIGHT_STEP,
)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class CellSizes:
    """Sizes of the cells of a layer: groups and outputs of each."""

    groups: int
    outputs: int


@dataclass(frozen=True)
class Scale:
    """Requirements for a tensor that memrix adds to those of a layer.

    Attributes:
        dtype: its type.
        shapes: that it can have, of a layer whose cells have the given sizes; none where it depends on a layer that
            has no cells.
        negative: whether values below 0 are valid.
        unknown: whether NaN is valid, in a layer on a chip and in one that is not.
    """

    dtype: torch.dtype
    shapes: Callable[[CellSizes | None], tuple[Shape, ...]]
    negative: bool = False
    unknown: tuple[bool, bool] = (False, False)

    def problem(self, values: Tensor, cells: CellSizes | None, *, on_chip: bool) -> str:
        """What keeps a tensor from being such a scale; empty where nothing does."""
        if values.dtype != self.dtype:
            return f"must be {type_name(self.dtype)}"
        shapes = self.shapes(cells)
        if shapes and tuple(values.shape) not in shapes:
            return f"must be of shape {' or '.join(str(list(shape)) for shape in shapes)}"
        if values.isinf().any() or (values.isnan().any() and not self.unknown[0 if on_chip else 1]):
            return "must be finite"
        if not self.negative and bool((values < 0).any()):
            return "must be at least 0"
        return ""


def _scalar(cells: CellSizes | None) -> tuple[Shape, ...]:
    return ((),)


def _steps(cells: CellSizes | None) -> tuple[Shape, ...]:
    return ((1,), (cells.groups * cells.outputs,)) if cells else ()


def _by_column(cells: CellSizes | None) -> tuple[Shape, ...]:
    return ((cells.groups, 1, cells.outputs),) if cells else ()


_SCALES: dict[str, Scale] = {
    RANGE: Scale(torch.float32, _scalar, unknown=(False, True)),
    OUTPUT_RANGE: Scale(torch.float32, _scalar, unknown=(True, True)),
    EPOCH: Scale(torch.int64, _scalar),
    LEARNED_RANGE: Scale(torch.float32, _scalar, negative=True, unknown=(False, True)),
    LEARNED_WEIGHT_STEP: Scale(torch.float32, _steps, negative=True),
    WEIGHT_STEP: Scale(torch.float32, _steps),
    COLUMN_GAIN: Scale(torch.float32, _by_column, negative=True),
    COLUMN_OFFSET: Scale(torch.float32, _by_column, negative=True),
}


def scale_of(name: str) -> Scale | None:
    """What a tensor of a layer can be that memrix keeps; None for one of the layer's own, whatever it is called."""
    return _SCALES.get(name.rpartition(".")[2]) if name.startswith(f"{STATE}.") else None
