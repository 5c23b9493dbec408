"""The summary of one layer on crossbars."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from memrix._support.renamed import formerly, warn_renamed, with_former_names
from memrix.crossbar import Reach
from memrix.model.sqnr import Energies


@with_former_names
@dataclass(frozen=True)
class LayerSummary:
    """One layer on crossbars.

    Attributes:
        name: of the layer.
        kind: the torch layer that it is, such as ``Linear``, also of a subclass.
        weight_shape: of the torch layer's weight.
        weight_bits: sign included.
        mapping: ``bit-sliced`` or ``multi-level``.
        planes: bit slices, that is differential pairs per weight.
        dac_bits: of the activations.
        adc_precision_bits: of the ADC that the layer is read with.
        adc_range_bits: of the same.
        adc_gain: in front of it.
        tiles: pairs of arrays, one for positive and one for negative weights, each for one bit slice.
        cells: that hold a weight.
        utilization: share of the cells of the tiles that hold a weight.
        pulses: of programming.
        energy: of these pulses, in J.
        reads: of single cells during programming, to verify them.
        disturbing_reads: those beyond a threshold of the cell.
        failed: cells that did not pass verification.
        conversions: of the ADCs since the last reset.
        clipped: conversions that were clipped.
        signal_energy: sum of the squared outputs of the digital operation, if measured.
        error_energy: sum of the squared differences between the chip's outputs and those, if measured.
        reach: the cells that a reading at the extreme voltages of the word lines would switch, SET or RESET; None
            if unknown.
        read_sets: cells that readings have SET so far, where ``device.read_disturb`` is on.
        read_resets: cells that readings have RESET so far, where it is on.
        wire_share: share of the current of all cells that wires let through.
        dac_inputs: ``multi-level`` or ``bit-serial``.
        adc_errors: of the converters, in a few words; empty where they are ideal.
        columns_per_converter: neighboring columns of a tile that share one ADC.
        wire_scales: least and largest scale of the outputs of a layer that was programmed for its wires.
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
    signal_energy: float | None = field(default=None, metadata=formerly("signal"))
    error_energy: float | None = field(default=None, metadata=formerly("deviation"))
    reach: Reach | None = None
    read_sets: int = 0
    read_resets: int = 0
    wire_share: float = 1.0
    dac_inputs: str = "multi-level"
    adc_errors: str = ""
    columns_per_converter: int = 1
    wire_scales: tuple[float, float] = (1.0, 1.0)

    @property
    def within_reach(self) -> int | None:
        """How many cells a reading at the extreme voltages would switch; None if unknown."""
        return None if self.reach is None else self.reach.sets + self.reach.resets

    @property
    def adc(self) -> str:
        """Bits of precision and of range, such as ``5/3``."""
        return f"{self.adc_precision_bits}/{self.adc_range_bits}"

    @property
    def sqnr(self) -> float | None:
        """Signal to quantization-and-noise ratio of the outputs in dB; infinite without an error."""
        if self.signal_energy is None or self.error_energy is None:
            return None
        return Energies(self.signal_energy, self.error_energy).sqnr

    @property
    def snr(self) -> float | None:
        """The former name of ``sqnr``."""
        warn_renamed("LayerSummary.snr", "LayerSummary.sqnr")
        return self.sqnr

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; ``sqnr`` is None unless it is measured and finite."""
        sqnr = self.sqnr
        measured = {"sqnr": sqnr if sqnr is not None and math.isfinite(sqnr) else None}
        return {**asdict(self), "adc": self.adc, "within_reach": self.within_reach, **measured}
