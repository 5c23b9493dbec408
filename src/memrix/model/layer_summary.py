"""What there is to say of one layer on crossbars."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from memrix.crossbar import Reach
from memrix.model.fidelity import Fidelity


@dataclass(frozen=True)
class LayerSummary:
    """One layer on crossbars.

    Attributes:
        name: of the layer.
        kind: the class of memrix that it is, or is a subclass of.
        weight_shape: of the torch layer's weight.
        weight_bits: their sign included.
        mapping: ``bit-sliced`` or ``multi-level``.
        planes: differential pairs a weight.
        dac_bits: of the activations.
        adc_precision_bits: of the ADC that the layer is read with.
        adc_range_bits: of the same.
        adc_gain: in front of it.
        tiles: pairs of arrays.
        cells: that hold a weight.
        utilization: share of the cells of all arrays that do.
        pulses: that programming took.
        energy: of these pulses, in J.
        reads: of single cells in programming.
        disturbing_reads: those of them beyond a threshold of the cell.
        failed: cells that did not pass verification.
        conversions: of the ADCs since the last reset.
        clipped: those of them that clipped.
        signal: sum of the squares of the outputs of its digital operation, if measured.
        deviation: sum of the squares of the chip's differences from them, if measured.
        reach: the cells that a reading at the extreme voltages of the word lines would switch, SET or RESET; None
            where that is not known.
        read_sets: cells that readings have SET so far, where ``device.read_disturb`` is on.
        read_resets: cells that readings have RESET so far, where it is on.
    """

    name: str
    kind: str
    weight_shape: tuple[int, ...]
    weight_bits: float
    mapping: str
    planes: int
    dac_bits: int
    adc_precision_bits: int
    adc_range_bits: int
    adc_gain: float
    tiles: int
    cells: int
    utilization: float
    pulses: int
    energy: float
    reads: int
    disturbing_reads: int
    failed: int
    conversions: int
    clipped: int
    signal: float | None = None
    deviation: float | None = None
    reach: Reach | None = None
    read_sets: int = 0
    read_resets: int = 0

    @property
    def within_reach(self) -> int | None:
        """How many cells a reading at the extreme voltages would switch; None where that is not known."""
        return None if self.reach is None else self.reach.sets + self.reach.resets

    @property
    def adc(self) -> str:
        """Bits of precision and of range, such as ``5/3``."""
        return f"{self.adc_precision_bits}/{self.adc_range_bits}"

    @property
    def snr(self) -> float | None:
        """Signal-to-noise ratio in dB of the chip's outputs; infinite without any deviation."""
        if self.signal is None or self.deviation is None:
            return None
        return Fidelity(self.signal, self.deviation).decibels

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; ``snr`` is None unless it is measured and finite."""
        snr = self.snr
        measured = {"snr": snr if snr is not None and math.isfinite(snr) else None}
        return {**asdict(self), "adc": self.adc, "within_reach": self.within_reach, **measured}
