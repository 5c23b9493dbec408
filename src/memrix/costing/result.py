"""Costs of a whole chip: its layers, what stays digital, and the same products computed digitally."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from memrix._support.documents import write_whole
from memrix._support.notebooks import data_frame, html_table, html_text
from memrix._support.tables import columns, markdown
from memrix._support.validation import require_integer
from memrix.costing.constants import CostConstants
from memrix.costing.counts import DigitalCounts, LayerCounts
from memrix.costing.layer_costs import CAUSES, LayerCosts
from memrix.costing.tables import cause_rows, layer_rows, said
from memrix.costing.units import in_joule, in_second, in_square_meter


@dataclass(frozen=True)
class Costs:
    """What readings of a chip cost, for one input of the model. Prints as tables.

    Counts do not depend on constants: ``costs.replace(constants="mine.toml")`` is the same run with others.

    Attributes:
        layers: what was counted of each layer on crossbars.
        digital: products of layers that stay digital, and of other matrix products.
        inputs: of the model, that were counted.
        constants: what one conversion, sum, product or cell costs; also the path of a TOML file, or None for those
            that come with memrix.
    """

    layers: tuple[LayerCounts, ...]
    digital: tuple[DigitalCounts, ...]
    inputs: int
    constants: CostConstants | str | Path | None = None

    def __post_init__(self) -> None:
        require_integer("inputs", self.inputs, 1, 1 << 62)
        object.__setattr__(self, "constants", CostConstants.of(self.constants))
        self.by_layer  # noqa: B018 - constants that do not suit what was counted are an error now, not where it prints

    def replace(self, *, constants: CostConstants | str | Path | None) -> Costs:
        """The same counts with other constants.

        Raises:
            SettingsError: a file that cannot be used.
        """
        return replace(self, constants=constants)

    @property
    def known(self) -> CostConstants:
        """The constants, read."""
        return CostConstants.of(self.constants)

    @cached_property
    def by_layer(self) -> tuple[LayerCosts, ...]:
        """Costs of each layer on crossbars, for one input."""
        return tuple(LayerCosts.of(layer, self.known, self.inputs) for layer in self.layers)

    @property
    def by_cause(self) -> dict[str, float]:
        """Energy in J of one input by cause: those of ``LayerCosts``, and ``digital``."""
        causes = {cause: float(sum(getattr(layer, cause) for layer in self.by_layer)) for cause in CAUSES}
        return {**causes, "digital": self.digital_energy}

    @property
    def energy(self) -> float:
        """Energy in J of one input, digital layers included."""
        return sum(self.by_cause.values())

    @property
    def energy_of_all(self) -> float:
        """Energy in J of all inputs that were counted."""
        return self.energy * self.inputs

    @property
    def digital_energy(self) -> float:
        """Energy in J of the products of one input that stay digital, at 8 bits."""
        return sum(layer.products for layer in self.digital) * self.known.product_energy / self.inputs

    @property
    def products(self) -> float:
        """Products of an input and a weight on crossbars, for one input of the model."""
        return sum(layer.products for layer in self.by_layer)

    @property
    def conversions(self) -> float:
        """ADC conversions for one input."""
        return sum(layer.conversions for layer in self.by_layer)

    @property
    def cells(self) -> int:
        """Cells that hold weights."""
        return sum(layer.cells for layer in self.layers)

    @property
    def area(self) -> float:
        """Of cells and converters, in m²."""
        return sum(layer.area for layer in self.by_layer)

    @property
    def latency(self) -> float:
        """Time in s of one input where layers follow one another; digital layers take none."""
        return sum(layer.latency for layer in self.by_layer)

    @property
    def interval(self) -> float:
        """Time in s from input to input where layers are pipelined: that of the slowest layer."""
        return max((layer.latency for layer in self.by_layer), default=0.0)

    @property
    def crossbar_energy(self) -> float:
        """Energy in J of the layers on crossbars alone, for one input."""
        return sum(layer.energy for layer in self.by_layer)

    @property
    def tops_per_watt(self) -> float:
        """10^12 operations per J of the layers on crossbars; a product and its addition are two operations."""
        return 2e-12 * self.products / self.crossbar_energy if self.crossbar_energy else 0.0

    @property
    def reference(self) -> dict[str, float]:
        """Energy in J of the products on crossbars, computed digitally at 8 bits instead, for one input.

        ``arithmetic``: multiply, add, and scale results, what remains where every weight is kept beside its
        multiplier; ``sram``: each product reads its weight from a memory on the chip; ``dram``: each weight comes
        from outside of the chip once for every input. Inputs and results are moved in either case, and are counted in
        neither.
        """
        constants = self.known
        multiplying = [layer for layer in self.layers if layer.products]
        weights = sum(layer.weights for layer in multiplying)
        results = sum(layer.results for layer in multiplying) / self.inputs
        products = self.products * (constants.multiply_energy.si + constants.accumulate_energy.si)
        return {
            "arithmetic": products + results * constants.scale_energy.si,
            "sram": self.products * constants.sram_energy_per_byte.si,
            "dram": weights * constants.dram_energy_per_byte.si,
        }

    @property
    def digital_reference(self) -> float:
        """Arithmetic, and weights from a memory on the chip, in J: to be compared with ``crossbar_energy``."""
        return self.reference["arithmetic"] + self.reference["sram"]

    @property
    def digital_total(self) -> float:
        """Energy in J of one input if nothing were on crossbars: ``digital_reference`` and ``digital_energy``."""
        return self.digital_reference + self.digital_energy

    @property
    def _records(self) -> list[dict[str, Any]]:
        return [{**asdict(layer), "energy": layer.energy, "area": layer.area} for layer in self.by_layer]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and tables, in SI units: totals, layers, counts, constants with their sources."""
        names = ("energy", "energy_of_all", "crossbar_energy", "products", "conversions", "cells", "tops_per_watt")
        times = ("latency", "interval", "area")
        return {
            "inputs": self.inputs,
            **{name: getattr(self, name) for name in (*names, *times)},
            "by_cause": self.by_cause,
            "reference": {
                **self.reference,
                "digital_reference": self.digital_reference,
                "digital_total": self.digital_total,
            },
            "layers": self._records,
            "digital": [asdict(layer) for layer in self.digital],
            "counts": [asdict(layer) for layer in self.layers],
            "constants": {f.name: asdict(getattr(self.known, f.name)) for f in fields(CostConstants)},
        }

    def save(self, path: str | Path) -> None:
        """Write ``to_dict`` as JSON.

        Raises:
            DataError: the file cannot be written.
        """
        write_whole(path, f"{json.dumps(self.to_dict(), indent=2)}\n".encode())

    def to_frame(self) -> Any:  # noqa: ANN401 - of pandas
        """A ``pandas.DataFrame`` with a row for each layer on crossbars, in SI units, for one input.

        Raises:
            MemrixError: pandas is not installed.
        """
        return data_frame(self._records, ("name", "kind", "energy"))

    def to_markdown(self) -> str:
        """Energy of one input by cause, beside the same computed digitally, as a table of a document."""
        head, *lines = cause_rows(self)
        return markdown(head, lines)

    def __str__(self) -> str:
        return f"{columns(layer_rows(self))}\n\n{columns(cause_rows(self))}\n\n{said(self)}"

    def _repr_html_(self) -> str:
        return "\n".join([html_table(layer_rows(self)), html_table(cause_rows(self)), html_text(said(self))])

    @property
    def line(self) -> str:
        """The costs of one input in a line."""
        return (
            f"one input: {in_joule(self.energy)}, {in_second(self.latency)} (pipelined {in_second(self.interval)}), "
            f"{self.tops_per_watt:.3g} TOPS/W on crossbars of {in_square_meter(self.area)}"
        )
