"""Chips of an allocation: what they cost, and what the metric is on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from memrix.hardware import Hardware
from memrix.model.costs import costs
from memrix.studies.compared import Comparisons, Switching, compare
from memrix.studies.estimates import Estimate
from memrix.studies.metric import Measured, Metric
from memrix.studies.studied import StudiedModel
from memrix.studies.switching import EXACT, ON_CHIP

Bits = Mapping[str, float]


@dataclass(frozen=True)
class MeasuredChips:
    """Several chips of one hardware.

    Attributes:
        name: for tables.
        cells: of each chip.
        energy: of one input, in J; None where it was not asked for.
        measured: the metric on each.
    """

    name: str
    cells: int
    energy: float | None
    measured: tuple[Measured, ...]

    @property
    def estimate(self) -> Estimate:
        """The metric over the chips, with intervals."""
        return Estimate.of(self.measured)

    @property
    def mean(self) -> float:
        """The metric, mean of the chips."""
        return sum(each.mean for each in self.measured) / len(self.measured)


@dataclass
class ChipFactory:
    """Programs and measures chips whose layers have bits of their own.

    Attributes:
        subject: the model.
        batches: as the metric takes them.
        metric: that is measured.
        seeds: of the chips.
        split: whether each layer has the split of the ADC bits that suits it.
        energy: whether the energy of an input is measured, too.
    """

    subject: StudiedModel
    batches: Sequence[Any]
    metric: Metric
    seeds: Sequence[int]
    split: bool
    energy: bool
    _known: dict[tuple[Hardware, ...], MeasuredChips] = field(default_factory=dict)

    def hardware(self, bits: Bits, *, split: bool | None = None) -> dict[str, Hardware]:
        """The chip of each layer."""
        wanted = self.split if split is None else split
        changes = {"adc.per_layer": True} if wanted else {}
        return {name: chip.replace(weight_bits=bits[name], **changes) for name, chip in self.subject.hardware.items()}

    def cells(self, name: str, bits: float) -> int:
        """Cells of a layer."""
        chip = self.subject.hardware[name].replace(weight_bits=bits)
        return chip.layout(*self.subject.shapes[name]).cells

    def alone(self, bits: float) -> Comparisons:
        """All layers on a chip of so many bits, which is the first; then each layer alone."""
        return self._compared(dict.fromkeys(self.subject.hardware, bits), alone=True)

    def left_out(self, bits: Bits) -> Comparisons:
        """All layers on a chip of these bits, which is the first; then each layer exact, and all others on it."""
        return self._compared(bits, alone=False)

    def _compared(self, bits: Bits, *, alone: bool) -> Comparisons:
        chips = self.hardware(bits)
        self.subject.ready_for(chips)
        chip = self.subject.programmed(chips, self.seeds[0])
        one, others = (ON_CHIP, EXACT) if alone else (EXACT, ON_CHIP)
        each = [Switching(chip, {name: one}, others) for name in chips]
        return compare([Switching(chip), *each], self.batches, self.metric)

    def energies(self, bits: float) -> dict[str, float]:
        """Energy of each layer for one input, in J."""
        chips = self.hardware(dict.fromkeys(self.subject.hardware, bits))
        return self._energies(chips)

    def _energies(self, chips: Mapping[str, Hardware]) -> dict[str, float]:
        self.subject.ready_for(chips)
        chip = self.subject.programmed(chips, self.seeds[0]).chip
        return {layer.name: layer.energy for layer in costs(chip, self.subject.preparation.inputs).by_layer}

    def measured(self, name: str, chips: Mapping[str, Hardware]) -> MeasuredChips:
        """The metric on all chips; the same chips are measured once."""
        key = tuple(chips.values())
        if key not in self._known:
            self.subject.ready_for(chips)
            found = []
            for seed in self.seeds:
                found.append(self.metric.measure(self.subject.programmed(chips, seed).chip, self.batches))
            cells = sum(chip.layout(*self.subject.shapes[layer]).cells for layer, chip in chips.items())
            energy = sum(self._energies(chips).values()) if self.energy else None
            self._known[key] = MeasuredChips(name, cells, energy, tuple(found))
        known = self._known[key]
        return MeasuredChips(name, known.cells, known.energy, known.measured)
