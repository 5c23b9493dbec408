"""What one layer on crossbars costs."""

from __future__ import annotations

from dataclasses import dataclass

from memrix.costing.constants import CostConstants
from memrix.costing.counts import LayerCounts
from memrix.errors import SettingsError

CAUSES = {"array": "array", "drivers": "drivers", "adc": "ADC", "dac": "DAC", "sums": "digital sums"}
"""Causes of energy in a layer on crossbars, with the words for tables."""


@dataclass(frozen=True)
class LayerCosts:
    """Energy, latency and area of a layer on crossbars, for one input of the model.

    Attributes:
        name: of the layer.
        kind: the torch layer that it is.
        array: energy in J that word lines deliver to cells and wires: voltage x current x reading time.
        drivers: energy in J that linear drivers lose while they deliver it.
        adc: energy in J of conversions.
        dac: energy in J of the converters of word lines.
        sums: energy in J of adding tiles and bit slices, and of scale and offset of results.
        latency: in s, of its vectors one after the other: each takes ``phases`` readings, followed by the conversions
            of the columns that share a converter. Tiles work side by side.
        cell_area: in m², of all places of the tiles.
        converter_area: in m², of ADCs and DACs.
        vectors: input vectors.
        conversions: of the ADCs.
        products: of inputs and weights.
        cells: that hold a weight.
    """

    name: str
    kind: str
    array: float
    drivers: float
    adc: float
    dac: float
    sums: float
    latency: float
    cell_area: float
    converter_area: float
    vectors: float
    conversions: float
    products: float
    cells: int

    @property
    def energy(self) -> float:
        """Of all causes, in J."""
        return self.array + self.drivers + self.adc + self.dac + self.sums

    @property
    def area(self) -> float:
        """Of cells and converters, in m²."""
        return self.cell_area + self.converter_area

    @classmethod
    def of(cls, counts: LayerCounts, constants: CostConstants, inputs: int) -> LayerCosts:
        """The costs for one of so many inputs that were counted.

        Raises:
            SettingsError: drivers with a supply below the voltages that they deliver.
        """
        reading, levels = constants.reading_time.si, counts.adc_levels
        array = counts.power * reading
        supply = constants.driver_supply.si
        if 0 < supply < counts.volts:
            raise SettingsError(
                f"driver_supply must be at least the {counts.volts:g} V that drivers of layer {counts.name!r} "
                f"deliver, or 0 for drivers without losses, got {supply:g} V"
            )
        supplied = counts.current * supply * reading
        # The first conversion of a sum is there without an addition.
        additions = counts.conversions - counts.results
        sums = additions * constants.sum_energy.si + counts.results * constants.scale_energy.si
        one_vector = counts.phases * (reading + counts.turns * constants.conversion_time(levels))
        converters = counts.converters * constants.adc_area.si
        dac_levels = (1 << counts.dac_bits) + 1
        return cls(
            name=counts.name,
            kind=counts.kind,
            array=array / inputs,
            drivers=(supplied - array if supply else 0.0) / inputs,
            adc=counts.conversions * constants.conversion_energy(levels) / inputs,
            dac=counts.inputs_converted * counts.dac_bits * constants.dac_energy_per_bit.si / inputs,
            sums=sums / inputs,
            latency=counts.vectors * one_vector / inputs,
            cell_area=counts.places * constants.cell_area.si,
            converter_area=converters + counts.word_lines * dac_levels * constants.dac_area_per_level.si,
            vectors=counts.vectors / inputs,
            conversions=counts.conversions / inputs,
            products=counts.products / inputs,
            cells=counts.cells,
        )
