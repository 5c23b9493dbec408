"""What runs where on a chip: cells, tiles, converters, and what stayed digital and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from memrix.inventory import digital_reason, weighted_modules
from memrix.nn.crossbar_layer import CrossbarLayer


@dataclass(frozen=True)
class LayerSummary:
    """One layer on crossbars. ``tiles`` counts pairs of arrays; ``clipped`` those of ``conversions`` that clipped.

    ``pulses``, ``energy`` (J) and ``failed`` (cells that did not pass verification) are what programming took.
    """

    name: str
    kind: str
    weight_shape: tuple[int, ...]
    weight_bits: float
    tiles: int
    planes: int
    cells: int
    utilisation: float
    pulses: int
    energy: float
    failed: int
    conversions: int
    clipped: int


@dataclass(frozen=True)
class DigitalSummary:
    """One weighted layer that is not on a crossbar, and the reason."""

    name: str
    kind: str
    weights: int
    reason: str


@dataclass(frozen=True)
class Summary:
    """All weighted layers of a model. Prints as a table."""

    layers: tuple[LayerSummary, ...]
    digital: tuple[DigitalSummary, ...]

    @property
    def cells(self) -> int:
        """Cells of all layers on the chip."""
        return sum(layer.cells for layer in self.layers)

    @property
    def tiles(self) -> int:
        """Pairs of arrays of all layers."""
        return sum(layer.tiles for layer in self.layers)

    @property
    def pulses(self) -> int:
        """Pulses that programmed the cells of all layers."""
        return sum(layer.pulses for layer in self.layers)

    @property
    def energy(self) -> float:
        """Energy of these pulses, in J."""
        return sum(layer.energy for layer in self.layers)

    @property
    def failed(self) -> int:
        """Cells of all layers that did not pass verification."""
        return sum(layer.failed for layer in self.layers)

    @property
    def conversions(self) -> int:
        """ADC conversions so far."""
        return sum(layer.conversions for layer in self.layers)

    @property
    def clipped(self) -> int:
        """ADC conversions so far that clipped."""
        return sum(layer.clipped for layer in self.layers)

    @property
    def clipped_share(self) -> float:
        """Share of the ADC conversions so far that clipped; 0 before the first."""
        return self.clipped / self.conversions if self.conversions else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, with the totals."""
        totals = ("cells", "tiles", "pulses", "energy", "failed", "conversions", "clipped", "clipped_share")
        return {**asdict(self), **{name: getattr(self, name) for name in totals}}

    def __str__(self) -> str:
        head = ("layer", "type", "weight", "bits", "tile pairs", "planes", "cells", "in use", "ADC clipped")
        rows = [
            (
                layer.name,
                layer.kind,
                "x".join(map(str, layer.weight_shape)),
                str(layer.weight_bits),
                f"{layer.tiles:,}",
                str(layer.planes),
                f"{layer.cells:,}",
                f"{layer.utilisation:.0%}",
                f"{layer.clipped / layer.conversions:.2%}" if layer.conversions else "not read yet",
            )
            for layer in self.layers
        ]
        share = f"{self.clipped_share:.2%}" if self.conversions else ""
        rows.append(("all on the chip", "", "", "", f"{self.tiles:,}", "", f"{self.cells:,}", "", share))
        text = _columns([head, *rows])
        if self.pulses:
            text += (
                f"\n\nprogrammed with {self.pulses / self.cells:.1f} pulses a cell and {self.energy:.2g} J; "
                f"{self.failed:,} cells failed verification"
            )
        if self.digital:
            digital = [(layer.name, f"{layer.weights:,} weights", layer.reason) for layer in self.digital]
            text += "\n\nstays digital\n" + _columns(digital)
        return text


def summary(model: nn.Module) -> Summary:
    """Describe every weighted layer of a model, on a chip or digital; readings since the last reset are counted."""
    layers, digital = [], []
    for layer in weighted_modules(model):
        module = layer.module
        if isinstance(module, CrossbarLayer):
            layers.append(_describe(layer.name, module))
        else:
            digital.append(DigitalSummary(layer.name, type(module).__name__, layer.weights, digital_reason(layer)))
    return Summary(tuple(layers), tuple(digital))


def _describe(name: str, module: CrossbarLayer) -> LayerSummary:
    crossbar = module.crossbar
    return LayerSummary(
        name=name,
        kind=type(module).__name__,
        weight_shape=tuple(module.weight.shape),
        weight_bits=module.hardware.weight_bits,
        tiles=crossbar.layout.tiles,
        planes=crossbar.layout.planes,
        cells=crossbar.layout.cells,
        utilisation=crossbar.layout.utilisation,
        pulses=crossbar.report.pulses,
        energy=crossbar.report.energy,
        failed=crossbar.report.failed,
        conversions=crossbar.conversions,
        clipped=crossbar.clipped,
    )


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
