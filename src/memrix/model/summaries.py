"""What runs where on a chip: cells, tiles, converters, and what stayed digital and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from memrix._support.tables import columns
from memrix.model.batches import MOST_BATCHES
from memrix.model.digital import DigitalSummary, digital_layers, digital_table
from memrix.model.fidelity import Fidelity, measure
from memrix.model.inventory import weighted_modules
from memrix.model.layer_summary import LayerSummary
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.registry import Handler, handler_of


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
        names = ("cells", "tiles", "pulses", "energy", "disturbing_reads", "failed")
        disturbs = ("within_reach", "read_sets", "read_resets")
        totals = (*names, *disturbs, "conversions", "clipped", "clipped_share")
        return {
            "layers": [layer.to_dict() for layer in self.layers],
            "digital": [asdict(layer) for layer in self.digital],
            **{name: getattr(self, name) for name in totals},
        }

    def __str__(self) -> str:
        return self._table() + self._programming() + self._reading() + digital_table(self.digital)

    def _table(self) -> str:
        """What differs from layer to layer in columns, and what does not in a line."""
        layers = self.layers
        table = {
            "layer": [*(layer.name for layer in layers), "all on the chip"],
            "type": [*(layer.kind.removeprefix("Memristor") for layer in layers), ""],
            "weight": [*("x".join(map(str, layer.weight_shape)) for layer in layers), ""],
        }
        settings = {
            "bits": ([f"{layer.weight_bits:g}" for layer in layers], "weights of {} bits"),
            "mapping": ([_mapping(layer) for layer in layers], "{}"),
            "DAC": ([str(layer.dac_bits) for layer in layers], "DAC of {} bits"),
            "ADC": ([layer.adc for layer in layers], "ADC of {} bits (precision/range)"),
            "gain": ([f"{layer.adc_gain:.3g}" for layer in layers], "gain {}"),
        }
        shared = [text.format(values[0]) for values, text in settings.values() if len(set(values)) == 1]
        table |= {title: [*values, ""] for title, (values, _) in settings.items() if len(set(values)) > 1}
        table["tiles"] = [*(f"{layer.tiles:,}" for layer in layers), f"{self.tiles:,}"]
        table["cells"] = [*(f"{layer.cells:,}" for layer in layers), f"{self.cells:,}"]
        table["in use"] = [*(f"{layer.utilization:.0%}" for layer in layers), ""]
        table["in reach"] = [*(_count(layer.within_reach) for layer in layers), _count(self.within_reach)]
        if self.conversions:
            table["clipped"] = [*map(_clipped, layers), f"{self.clipped_share:.2%}"]
        else:
            shared.append("not read yet")
        if any(layer.snr is not None for layer in layers):
            table["SNR"] = [*(_decibels(layer.snr) for layer in layers), ""]
        text = columns(list(zip(*([title, *cells] for title, cells in table.items()), strict=True)))
        return f"{text}\n\nall layers: {', '.join(shared)}" if layers and shared else text

    def _programming(self) -> str:
        if not self.pulses:
            return ""
        text = (
            f"\n\nprogrammed with {self.pulses / self.cells:.1f} pulses a cell and {self.energy:.2g} J; "
            f"{self.failed:,} cells failed verification"
        )
        disturbed = f", {self.disturbing_reads:,} readings of it may have disturbed a cell"
        return text + disturbed if self.disturbing_reads else text

    def _reading(self) -> str:
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
        return "".join(f"\n{line}" for line in lines) if self.pulses or not lines else "\n\n" + "\n".join(lines)


def summary(
    model: nn.Module,
    batches: Iterable[Any] | None = None,
    *,
    max_batches: int = MOST_BATCHES,
    progress: Callable[[int], None] | None = None,
) -> Summary:
    """Describe every weighted layer of a model, on a chip or digital; readings since the last reset are counted.

    Args:
        model: any module.
        batches: as for ``memrix.calibrate``: run through the chip to measure how far every layer is from its digital
            operation. Without them nothing is run.
        max_batches: more are refused, before the first if ``len(batches)`` is known.
        progress: called with the number of batches done.

    Raises:
        ConversionError: the model is no module, or there are batches and no layer of it runs on a chip.
        CalibrationError: there is no batch among them, or too many; or the chip does not take one.
    """
    measured = {} if batches is None else measure(model, batches, max_batches=max_batches, progress=progress)
    weighted = weighted_modules(model)
    layers = [
        _describe(layer.name, layer.module, measured.get(layer.module))
        for layer in weighted
        if isinstance(layer.module, CrossbarLayer)
    ]
    return Summary(tuple(layers), digital_layers(weighted, lambda layer: isinstance(layer.module, CrossbarLayer)))


def _describe(name: str, module: CrossbarLayer, fidelity: Fidelity | None) -> LayerSummary:
    crossbar, hardware = module.memrix.programmed.crossbar, module.memrix.chip
    report = crossbar.report
    adc = crossbar.circuit.adc
    crossbar.settle_()
    sets, resets = (0, 0) if crossbar.word_lines is None else map(int, crossbar.word_lines.switched.tolist())
    return LayerSummary(
        name=name,
        kind=_kind(module),
        weight_shape=tuple(module.weight.shape),
        weight_bits=hardware.weight_bits,
        mapping=hardware.mapping,
        planes=crossbar.layout.planes,
        dac_bits=crossbar.circuit.dac.bits,
        adc_precision_bits=adc.precision_bits,
        adc_range_bits=adc.range_bits,
        adc_gain=adc.gain,
        tiles=crossbar.layout.tiles,
        cells=crossbar.layout.cells,
        utilization=crossbar.layout.utilization,
        pulses=report.pulses,
        energy=report.energy,
        reads=report.reads,
        disturbing_reads=report.disturbing_reads,
        failed=report.failed,
        conversions=crossbar.counts.conversions,
        clipped=crossbar.counts.clipped,
        signal=None if fidelity is None else fidelity.signal,
        deviation=None if fidelity is None else fidelity.deviation,
        reach=crossbar.reach(),
        read_sets=sets,
        read_resets=resets,
    )


def _kind(module: CrossbarLayer) -> str:
    handler = handler_of(module)
    return f"Memristor{handler.kind}" if isinstance(handler, Handler) else type(module).__name__


def _mapping(layer: LayerSummary) -> str:
    if layer.mapping == "multi-level":
        return layer.mapping
    return f"{layer.planes} plane{'s' if layer.planes > 1 else ''}"


def _clipped(layer: LayerSummary) -> str:
    return f"{layer.clipped / layer.conversions:.2%}" if layer.conversions else "not read"


def _count(number: int | None) -> str:
    return "not known" if number is None else f"{number:,}"


def _decibels(snr: float | None) -> str:
    if snr is None:
        return "not run"
    return "exact" if snr == math.inf else f"{snr:.1f} dB"
