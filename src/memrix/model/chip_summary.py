"""The summary of a chip: its layers, their totals, and the layers that stay digital."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from memrix._support.notebooks import data_frame, html_table, html_text
from memrix._support.tables import columns, decibels, percent
from memrix.costing import Costs
from memrix.model.digital import DigitalSummary, digital_html, digital_table
from memrix.model.layer_summary import LayerSummary


@dataclass(frozen=True)
class Summary:
    """All candidate layers of a model. Prints as a table.

    Attributes:
        layers: on crossbars.
        digital: layers that stay digital, and why.
        costs: of readings, where ``memrix.costs`` has measured them.
    """

    layers: tuple[LayerSummary, ...]
    digital: tuple[DigitalSummary, ...]
    costs: Costs | None = None

    @property
    def cells(self) -> int:
        """Cells of all layers on the chip."""
        return sum(layer.cells for layer in self.layers)

    @property
    def tiles(self) -> int:
        """Tiles of all layers: pairs of arrays, one for positive and one for negative weights."""
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
    def reads(self) -> int:
        """Readings of single cells that verified the cells of all layers, in programming."""
        return sum(layer.reads for layer in self.layers)

    @property
    def disturbing_reads(self) -> int:
        """Readings of cells of all layers, in programming, beyond a threshold of the cell."""
        return sum(layer.disturbing_reads for layer in self.layers)

    @property
    def within_reach(self) -> int | None:
        """Cells of all layers that a reading at the extreme voltages would switch; None where one is not known."""
        known = [layer.within_reach for layer in self.layers if layer.within_reach is not None]
        return sum(known) if len(known) == len(self.layers) else None

    @property
    def read_sets(self) -> int:
        """Cells of all layers that readings have SET so far, where ``device.read_disturb`` is on."""
        return sum(layer.read_sets for layer in self.layers)

    @property
    def read_resets(self) -> int:
        """Cells of all layers that readings have RESET so far, where it is on."""
        return sum(layer.read_resets for layer in self.layers)

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
        names = ("cells", "tiles", "pulses", "energy", "reads", "disturbing_reads", "failed")
        disturbs = ("within_reach", "read_sets", "read_resets")
        totals = (*names, *disturbs, "conversions", "clipped", "clipped_share")
        return {
            "layers": [layer.to_dict() for layer in self.layers],
            "digital": [asdict(layer) for layer in self.digital],
            **{name: getattr(self, name) for name in totals},
            "costs": None if self.costs is None else self.costs.to_dict(),
        }

    def to_frame(self) -> Any:  # noqa: ANN401 - of pandas
        """A ``pandas.DataFrame`` with a row for each candidate layer; ``runs_on``: ``"crossbar"`` or ``"digital"``.

        Raises:
            MemrixError: pandas is not installed.
        """
        mapped = [
            {"name": layer.name, "runs_on": "crossbar", "weights": math.prod(layer.weight_shape), **layer.to_dict()}
            for layer in self.layers
        ]
        for record in mapped:
            record.pop("reach")  # a table in the table, whose sum is within_reach
        digital = [{"name": layer.name, "runs_on": "digital", **asdict(layer)} for layer in self.digital]
        return data_frame([*mapped, *digital], ("name", "runs_on", "kind"))

    def __str__(self) -> str:
        rows, texts = self._parts()
        return "\n\n".join([columns(rows), *texts]) + digital_table(self.digital)

    def _repr_html_(self) -> str:
        rows, texts = self._parts()
        return "\n".join([html_table(rows), *map(html_text, texts), *digital_html(self.digital)])

    def _parts(self) -> tuple[list[tuple[str, ...]], list[str]]:
        """The table of the layers, and what is said below of them all."""
        rows, shared = self._rows()
        costs = [] if self.costs is None else [self.costs.line]
        cells = "\n".join([*self._programming(), *self._reading(), *costs])
        return rows, [text for text in (shared, cells) if text]

    def _rows(self) -> tuple[list[tuple[str, ...]], str]:
        """What differs from layer to layer in columns, and what does not in a line."""
        layers = self.layers
        table = {
            "layer": [*(layer.name for layer in layers), "all on the chip"],
            "type": [*(layer.kind for layer in layers), ""],
            "weight": [*("x".join(map(str, layer.weight_shape)) for layer in layers), ""],
        }
        settings = {
            "bits": ([f"{layer.weight_bits:g}" for layer in layers], "weights of {} bits"),
            "mapping": ([_mapping(layer) for layer in layers], "{}"),
            "DAC": ([str(layer.dac_bits) for layer in layers], "DAC of {} bits"),
            "ADC": ([layer.adc for layer in layers], "ADC of {} bits (precision/range)"),
            "gain": ([f"{layer.adc_gain:.3g}" for layer in layers], "gain {}"),
        }
        if any(layer.dac_inputs != "multi-level" for layer in layers):
            settings["inputs"] = ([layer.dac_inputs for layer in layers], "{} inputs")
        if any(layer.adc_errors for layer in layers):
            settings["ADC errors"] = ([layer.adc_errors or "none" for layer in layers], "errors of ADCs: {}")
        if any(layer.columns_per_converter > 1 for layer in layers):
            settings["columns"] = ([str(layer.columns_per_converter) for layer in layers], "an ADC for {} columns")
        shared = [text.format(values[0]) for values, text in settings.values() if len(set(values)) == 1]
        table |= {title: [*values, ""] for title, (values, _) in settings.items() if len(set(values)) > 1}
        table["tiles"] = [*(f"{layer.tiles:,}" for layer in layers), f"{self.tiles:,}"]
        table["cells"] = [*(f"{layer.cells:,}" for layer in layers), f"{self.cells:,}"]
        table["in use"] = [*(percent(layer.utilization) for layer in layers), ""]
        table["in reach"] = [*(_count(layer.within_reach) for layer in layers), _count(self.within_reach)]
        if any(layer.wire_share < 1 for layer in layers):
            table["through wires"] = [*(percent(layer.wire_share) for layer in layers), ""]
        if any(layer.wire_scales[0] < 1 for layer in layers):
            table["scale"] = [*(_scales(layer) for layer in layers), ""]
        if self.conversions:
            table["clipped"] = [*map(_clipped, layers), f"{self.clipped_share:.2%}"]
        else:
            shared.append("not read yet")
        if any(layer.sqnr is not None for layer in layers):
            table["SQNR"] = [*(decibels(layer.sqnr, "not run") for layer in layers), ""]
        rows = list(zip(*([title, *cells] for title, cells in table.items()), strict=True))
        return rows, f"all layers: {', '.join(shared)}" if layers and shared else ""

    def _programming(self) -> list[str]:
        if not self.pulses:
            return []
        text = f"programmed with {self.pulses / self.cells:.1f} pulses per cell and {self.energy:.2g} J"
        if self.reads:
            text += (
                f"; verified with {self.reads / self.cells:.1f} readings per cell, {self.failed:,} cells failed "
                f"verification"
            )
        if self.disturbing_reads:
            text += f", {self.disturbing_reads:,} of these readings may have disturbed a cell"
        return [text]

    def _reading(self) -> list[str]:
        """What readings do to cells, a line for each range of voltages."""
        reaches = [layer.reach for layer in self.layers if layer.reach is not None]
        lines = []
        for lowest, highest in sorted({(reach.lowest, reach.highest) for reach in reaches}):
            here = [reach for reach in reaches if (reach.lowest, reach.highest) == (lowest, highest)]
            sets, resets = sum(reach.sets for reach in here), sum(reach.resets for reach in here)
            lines.append(
                f"in reach of readings: {sets:,} cells that {lowest:.3g} V would SET, {resets:,} that "
                f"{highest:.3g} V would RESET"
            )
        if self.read_sets or self.read_resets:
            lines.append(f"readings have SET {self.read_sets:,} cells and RESET {self.read_resets:,} so far")
        return lines


def _mapping(layer: LayerSummary) -> str:
    if layer.mapping == "multi-level":
        return layer.mapping
    return f"{layer.planes} bit slice{'s' if layer.planes > 1 else ''}"


def _clipped(layer: LayerSummary) -> str:
    return f"{layer.clipped / layer.conversions:.2%}" if layer.conversions else "not read"


def _scales(layer: LayerSummary) -> str:
    least, largest = layer.wire_scales
    return f"{least:.2f} to {largest:.2f}"


def _count(number: int | None) -> str:
    return "not known" if number is None else f"{number:,}"
