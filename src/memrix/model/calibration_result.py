"""What a calibration found: to be looked at, kept in a file, and given to other copies of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from memrix._support.notebooks import data_frame, html_table, html_text
from memrix._support.tables import columns, explained
from memrix.errors import ConversionError
from memrix.model.calibration_files import read_calibration, write_calibration
from memrix.model.contents import Contents
from memrix.model.inventory import Candidate, candidate_layers, rule
from memrix.model.layer_calibration import HEADINGS, LayerCalibration
from memrix.model.references import require_live_functions
from memrix.model.selection import decompose_owners, quantized_classes
from memrix.model.undo import unchanged_on_failure


@dataclass(frozen=True, eq=False)
class Calibration:
    """What ``memrix.calibrate`` found. Prints as a table.

    Attributes:
        layers: with their ranges, histograms and samples.
        digital: layers that stay digital, as the batches have shown, and why.
        batches: how many were run.
    """

    layers: tuple[LayerCalibration, ...]
    digital: Mapping[str, str]
    batches: int

    def apply(self, model: nn.Module) -> None:
        """Give another copy of the model the same ranges and samples, in place, as if it had been calibrated.

        Args:
            model: float or quantized, with layers of the same names, types and shapes; it may have others too.

        Raises:
            ConversionError: lists every layer that does not fit; the model is as it was.
        """
        mapped, digital = self._fitting(model)
        layers = [layer for layer, _ in mapped]
        require_live_functions(Contents.of(model), quantized_classes(layers), copied=False)
        with unchanged_on_failure(model):
            decompose_owners(layers)
            for layer, calibrated in mapped:
                calibrated.apply_(layer)
                rule(layer.module, None)
            for layer, reason in digital:
                rule(layer.module, reason)

    def _fitting(
        self, model: nn.Module
    ) -> tuple[list[tuple[Candidate, LayerCalibration]], list[tuple[Candidate, str]]]:
        """The layers of a model beside what is known of them, and those that stay digital."""
        by_name = {name: layer for layer in candidate_layers(model) for name in (layer.name, *layer.names)}
        mapped = [
            (by_name[known.name], known) for known in self.layers if known.misfit(by_name.get(known.name)) is None
        ]
        digital = [(by_name[name], reason) for name, reason in self.digital.items() if name in by_name]
        problems = [(known.name, known.misfit(by_name.get(known.name))) for known in self.layers]
        problems += [(name, "is not in the model") for name in self.digital if name not in by_name]
        told = [f"layer {name!r} {problem}" for name, problem in problems if problem is not None]
        if told:
            raise ConversionError("this calibration is of another model:\n  " + "\n  ".join(told))
        return mapped, digital

    def save(self, path: str | Path) -> None:
        """Write the calibration to a safetensors file, an older one of that name is replaced; nothing is pickled.

        Raises:
            CheckpointError: the file cannot be written.
        """
        write_calibration(path, self.layers, self.digital, self.batches)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """The calibration of a file that ``save`` wrote.

        Raises:
            CheckpointError: the file is missing, damaged, of a newer memrix, or no calibration.
        """
        return cls(*read_calibration(path))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, without the samples."""
        layers = [layer.to_dict() for layer in self.layers]
        return {"layers": layers, "digital": dict(self.digital), "batches": self.batches}

    def to_frame(self) -> Any:  # noqa: ANN401 - of pandas
        """A ``pandas.DataFrame`` with a row for each layer.

        Raises:
            MemrixError: pandas is not installed.
        """
        rows = [
            {**layer.to_dict(), "largest": layer.seen.largest, "zeros": layer.seen.zeros} for layer in self.layers
        ]
        for row in rows:
            row.pop("seen")
        return data_frame(rows, ("name", "kind", "input_range", "largest", "clipped_share", "values"))

    def __str__(self) -> str:
        text = f"{columns(self._rows())}\n\n{self._said}"
        digital = explained([*self.digital.items()]) if self.digital else ""
        return f"{text}\n\nstays digital\n{digital}" if digital else text

    def _repr_html_(self) -> str:
        parts = [html_table(self._rows()), html_text(self._said)]
        if self.digital:
            parts += [html_text("stays digital"), html_table([("layer", "reason"), *self.digital.items()])]
        return "\n".join(parts)

    @property
    def _said(self) -> str:
        batches = f"{self.batches:,} batch{'es' if self.batches != 1 else ''}"
        return (
            f"from {batches}; clipped: share of inputs beyond the range; histogram: of |inputs| from 0 to the "
            f"largest, on a logarithmic scale"
        )

    def _rows(self) -> list[tuple[str, ...]]:
        rows = [HEADINGS, *(layer.row for layer in self.layers)]
        return rows if any(layer.sample is not None for layer in self.layers) else [row[:-1] for row in rows]
