"""What a check of a model found: problems, notes, and a plan of every layer."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from memrix._support.notebooks import data_frame, html_list, html_table, html_text
from memrix._support.tables import columns, explained, percent
from memrix.model.digital import DigitalSummary, digital_html, digital_table


@dataclass(frozen=True)
class PlannedLayer:
    """One layer as it would be programmed.

    Attributes:
        name: of the layer.
        kind: the torch layer that it is, also of a subclass.
        weight_shape: of its weight.
        weight_bits: sign included.
        planes: bit slices, that is differential pairs per weight.
        tiles: pairs of arrays, one for positive and one for negative weights, each for one bit slice.
        cells: that would hold a weight.
        utilization: share of the cells of the tiles that would.
        calibrated: whether it has the activation range, and the calibration samples, that ``memrix.program`` needs.
    """

    name: str
    kind: str
    weight_shape: tuple[int, ...]
    weight_bits: float
    planes: int
    tiles: int
    cells: int
    utilization: float
    calibrated: bool


@dataclass(frozen=True)
class Check:
    """What a model and a selection need on a chip. Prints as a table.

    Attributes:
        problems: each prevents programming.
        notes: worth knowing, but no obstacle.
        layers: that would run on crossbars.
        digital: candidate layers that would not.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    layers: tuple[PlannedLayer, ...]
    digital: tuple[DigitalSummary, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def cells(self) -> int:
        """Cells of all layers."""
        return sum(layer.cells for layer in self.layers)

    @property
    def tiles(self) -> int:
        """Tiles of all layers."""
        return sum(layer.tiles for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, with the totals."""
        return {"ok": self.ok, **asdict(self), "cells": self.cells, "tiles": self.tiles}

    def to_frame(self) -> Any:  # noqa: ANN401 - of pandas
        """A ``pandas.DataFrame`` with a row for each candidate layer; ``runs_on``: ``"crossbar"`` or ``"digital"``.

        Raises:
            MemrixError: pandas is not installed.
        """
        planned = [
            {"name": layer.name, "runs_on": "crossbar", "weights": math.prod(layer.weight_shape), **asdict(layer)}
            for layer in self.layers
        ]
        digital = [{"name": layer.name, "runs_on": "digital", **asdict(layer)} for layer in self.digital]
        return data_frame([*planned, *digital], ("name", "runs_on", "kind"))

    def __str__(self) -> str:
        text = self._verdict
        if self.problems:
            text += "\n" + explained([("-", problem) for problem in self.problems])
        if self.notes:
            text += "\n\nnotes\n" + explained([("-", note) for note in self.notes])
        if self.layers:
            text += "\n\n" + columns(self._rows())
        return text + digital_table(self.digital)

    def _repr_html_(self) -> str:
        parts = [html_text(self._verdict)]
        if self.problems:
            parts.append(html_list(self.problems))
        if self.notes:
            parts += [html_text("notes"), html_list(self.notes)]
        if self.layers:
            parts.append(html_table(self._rows()))
        return "\n".join([*parts, *digital_html(self.digital)])

    @property
    def _verdict(self) -> str:
        count = len(self.problems)
        return "no problem" if self.ok else f"{count} problem{'s' if count > 1 else ''}"

    def _rows(self) -> list[tuple[str, ...]]:
        """The table of the layers: headings, a row for each, and the totals."""
        rows = [
            (
                layer.name,
                layer.kind,
                "x".join(map(str, layer.weight_shape)),
                f"{layer.weight_bits:g}",
                str(layer.planes),
                f"{layer.tiles:,}",
                f"{layer.cells:,}",
                percent(layer.utilization),
                "yes" if layer.calibrated else "no",
            )
            for layer in self.layers
        ]
        head = ("layer", "type", "weight", "bits", "bit slices", "tiles", "cells", "in use", "calibrated")
        total = ("all", "", "", "", "", f"{self.tiles:,}", f"{self.cells:,}", "", "")
        return [head, *rows, total]
