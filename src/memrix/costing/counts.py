"""What was counted while a chip ran: plain numbers, which no constant is part of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerCounts:
    """One layer on crossbars, and what its readings took, summed over all inputs.

    Attributes:
        name: of the layer.
        kind: the torch layer that it is.
        vectors: input vectors, of each group; of an embedding, rows.
        products: of inputs and weights that they stand for.
        results: outputs before bias, that is sums of tiles and bit slices.
        conversions: of the ADCs.
        inputs_converted: inputs that DACs have turned into voltages, once for each tile that they drive.
        power: voltage times current of all word lines, summed over readings, in W.
        current: of all word lines, along their voltages, summed over readings, in A.
        volts: at the largest code.
        phases: readings that one input vector takes.
        adc_levels: of the converters.
        dac_bits: of those of the word lines.
        weights: that the cells hold.
        cells: that hold a weight.
        places: cells of all tiles, in use or not.
        converters: ADCs of all tiles.
        turns: columns that share one of them, at most.
        word_lines: in use, of all tiles.
    """

    name: str
    kind: str
    vectors: int
    products: int
    results: int
    conversions: int
    inputs_converted: int
    power: float
    current: float
    volts: float
    phases: int
    adc_levels: int
    dac_bits: int
    weights: int
    cells: int
    places: int
    converters: int
    turns: int
    word_lines: int


@dataclass(frozen=True)
class DigitalCounts:
    """A layer that stays digital, or other matrix products.

    Attributes:
        name: of the layer.
        kind: its class.
        products: that it computed, summed over all inputs.
    """

    name: str
    kind: str
    products: int
