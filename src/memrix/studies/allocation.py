"""Which layer gets how many bits: the least error for as many cells, or as much energy, or the fewest cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import nn

from memrix._support.validation import require_choice, require_positive
from memrix.errors import SettingsError
from memrix.hardware import Hardware
from memrix.model.batches import collected
from memrix.model.patterns import HardwareChoice, Layers
from memrix.studies.allocation_chips import ChipFactory, MeasuredChips
from memrix.studies.allocation_result import Allocation, LayerBits
from memrix.studies.arguments import require_arguments
from memrix.studies.frontier import Choice, Frontier
from memrix.studies.metric import Metric, MetricChoice
from memrix.studies.studied import StudiedModel, prepare

__all__ = ["Allocation", "Budget", "allocate"]

Budget = Literal["cells", "energy", "loss"]
Progress = Callable[[str], None]
Table = dict[str, list[float]]  # of each layer, for each number of bits
BITS = (2, 3, 4, 5, 6, 8)
# Shares of a limit that uniform bits may take to be measured, and to meet it: ADC splits change energies a bit.
_NEAR, _SAME = 1.1, 1.001
_MOST_CORRECTION = 8.0  # of the error of a layer among the others, over its error alone


def allocate(
    model: nn.Module,
    hardware: HardwareChoice,
    batches: Iterable[Any],
    metric: MetricChoice,
    budget: Budget = "cells",
    limit: float | None = None,
    *,
    bits: Sequence[float] = BITS,
    split: bool = True,
    layers: Layers = None,
    calibration: Iterable[Any] | None = None,
    chips: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> Allocation:
    """Give each layer of a model the bits of weights, and the ADC split, that it needs.

    For every number of bits, the error power that each layer brings about alone on the chip is measured. Dynamic
    programming finds the bits whose errors add up to least within the budget. The errors are measured once more among
    those of the other layers, and the bits are found again. The best of these and of uniform bits on the chips is the
    allocation, which is shown beside the best uniform bits within the same budget.

    Args:
        model: a float module; it is unchanged. Bits are allocated before a model is trained to them.
        hardware: the chip, or a mapping of name patterns to chips; the default limit is what it takes.
        batches: as the metric takes them; an iterable is read once.
        metric: a ``memrix.Metric`` with a direction, or ``"loss"`` or ``"accuracy"`` for pairs of input and target.
        budget: ``"cells"`` or ``"energy"``: the least error with no more of these; ``"loss"``: the fewest cells with
            a metric that is no worse than ``limit``.
        limit: cells, energy in J of one input (see ``memrix.costs``), or the metric; by default that of ``hardware``.
        bits: of weights, to choose from.
        split: whether each layer gets the split of the ADC bits, and the gain, that suit it (``adc.per_layer``).
        layers: the layers on the chip, as for ``memrix.program``.
        calibration: batches for ``memrix.calibrate`` if the model is not calibrated for this hardware; by default the
            inputs of the metric.
        chips: number of chips that allocations are compared on.
        seed: of the first chip; errors of layers are measured on that one.
        progress: called with what is measured next.

    Returns:
        The bits of each layer, and the ``hardware`` for ``memrix.quantize`` and ``memrix.program``.

    Raises:
        SettingsError: no allocation meets the budget, and what can be had; or an argument is not valid.
        MetricError: there is no batch, or the metric fails or gives NaN.
        ConversionError: the layers cannot be mapped as asked.
    """
    require_arguments(chips=chips, seed=seed)
    require_choice("budget", budget, get_args(Budget))
    require_choice("split", split, (True, False))
    measured, options = Metric.of(metric), _options(bits)
    measured.gain(0.0, 0.0)  # which needs a direction
    if limit is not None and budget != "loss":
        require_positive("limit", limit, "cells" if budget == "cells" else "J")
    held = collected(batches)
    subject = prepare(model, hardware, held, measured, layers=layers, calibration=calibration)
    factory = ChipFactory(subject, held, measured, range(seed, seed + chips), split, budget == "energy")
    described = hardware if isinstance(hardware, Hardware) and layers is None else None
    return _Search(factory, options, budget, progress or (lambda what: None)).result(described, limit)


def _options(bits: Sequence[float]) -> list[float]:
    given = sorted(set(bits)) if isinstance(bits, (tuple, list)) else []
    if len(given) < 2:
        raise SettingsError(f"bits must be a list of two numbers of bits or more, such as (2, 3, 4, 6), got {bits!r}")
    for each in given:
        Hardware(weight_bits=each)
    return given


@dataclass
class _Search:
    """The search for the bits of one model."""

    factory: ChipFactory
    bits: Sequence[float]
    budget: Budget
    report: Progress

    @property
    def subject(self) -> StudiedModel:
        return self.factory.subject

    @property
    def metric(self) -> Metric:
        return self.factory.metric

    def result(self, hardware: Hardware | None, limit: float | None) -> Allocation:
        """The bits, in the one description of the chip or, without one, in one for each layer."""
        self.report("the hardware as given")
        given = self.factory.measured("as given", self.subject.hardware)
        if limit is None:
            limit = given.mean if self.budget == "loss" else self._cost(given)
        errors, reference = self._errors()
        costs = self._costs()
        best, chips = self._best(errors, costs, limit)
        numbers = self._bits_of(best)
        rows = [
            LayerBits(name, numbers[name], self.factory.cells(name, numbers[name]), errors[name][option])
            for name, option in zip(self.subject.hardware, best.options, strict=True)
        ]
        return Allocation(
            metric=self.metric.name,
            higher_is_better=bool(self.metric.higher_is_better),
            reference=reference,
            budget=self.budget,
            limit=limit,
            layers=tuple(rows),
            hardware=self._described(hardware, numbers),
            allocated=chips,
            uniform=tuple(self._uniform(costs, limit)),
            given=given,
        )

    def _errors(self) -> tuple[Table, float]:
        """Error power of the outputs of the network with one layer alone on the chip; the metric without a chip."""
        found = []
        for bits in self.bits:
            self.report(f"each layer alone with {bits:g} bits")
            found.append(self.factory.alone(bits))
        errors = {
            name: [each.switchings[1 + place].network.relative for each in found]
            for place, name in enumerate(self.subject.hardware)
        }
        return errors, found[0].reference.mean

    def _costs(self) -> Table:
        """Energy of each layer, or its cells."""
        if self.budget != "energy":
            return {name: [self.factory.cells(name, bits) for bits in self.bits] for name in self.subject.hardware}
        found = []
        for bits in self.bits:
            self.report(f"energy of {bits:g} bits")
            found.append(self.factory.energies(bits))
        return {name: [each.get(name, 0.0) for each in found] for name in self.subject.hardware}

    def _best(self, errors: Table, costs: Table, limit: float) -> tuple[Choice, MeasuredChips]:
        """The best of two choices, by errors of layers alone and by those among the others, and of uniform bits."""
        first = self._within(errors, costs, limit)
        second = self._within(self._corrected(errors, first), costs, limit)
        uniform = [self._same(number, errors, costs) for number in range(len(self.bits))]
        tried = {each.options: each for each in (first, second, *uniform)}
        if self.budget != "loss":
            tried = {options: each for options, each in tried.items() if each.cost <= limit}
        measured = [(each, self._measured(options)) for options, each in tried.items()]
        if self.budget == "loss":
            met = [each for each in measured if self._meets(each[1], limit)]
            return min(met, key=lambda each: each[1].cells)
        return max(measured, key=lambda each: self.metric.gain(0.0, each[1].mean))

    def _same(self, number: int, errors: Table, costs: Table) -> Choice:
        """The same bits for every layer."""
        cost, error = (sum(row[number] for row in table.values()) for table in (costs, errors))
        return Choice(cost, error, (number,) * len(costs))

    def _within(self, errors: Table, costs: Table, limit: float) -> Choice:
        frontier = Frontier(list(costs.values()), list(errors.values()))
        if self.budget == "loss":
            return self._fewest(frontier, limit)
        found = frontier.within(limit)
        if found is None:
            unit = "cells" if self.budget == "cells" else "J"
            raise SettingsError(
                f"no allocation takes {limit:.6g} {unit} or less: {min(self.bits):g} bits for every layer take "
                f"{frontier.costs[0]:.6g}; give a larger limit, or fewer bits to choose from"
            )
        return found

    def _fewest(self, frontier: Frontier, limit: float) -> Choice:
        """The cheapest choice whose metric is no worse than the limit, by bisection."""
        low, high = 0, len(frontier) - 1
        best = self._measured(frontier[high].options).mean
        if self.metric.gain(limit, best) < 0:
            raise SettingsError(
                f"no allocation reaches a {self.metric.name} of {limit:.6g}: with the least error it is {best:.6g}; "
                f"give another limit, more bits to choose from, or another chip (memrix.attribution tells which)"
            )
        while low < high:
            middle = (low + high) // 2
            if self._meets(self._measured(frontier[middle].options), limit):
                high = middle
            else:
                low = middle + 1
        return frontier[high]

    def _corrected(self, errors: Table, choice: Choice) -> Table:
        """Errors of layers among the others, by what they are among these of a choice."""
        self.report("each layer among the others")
        found = self.factory.left_out(self._bits_of(choice))
        whole = found.switchings[0].network.relative
        corrected = {}
        for place, (name, option) in enumerate(zip(errors, choice.options, strict=True)):
            alone = errors[name][option]
            removed = whole - found.switchings[1 + place].network.relative
            factor = (alone + removed) / (2 * alone) if alone else 1.0
            factor = min(max(factor, 1 / _MOST_CORRECTION), _MOST_CORRECTION)
            corrected[name] = [factor * each for each in errors[name]]
        return corrected

    def _bits_of(self, choice: Choice) -> dict[str, float]:
        return dict(zip(self.subject.hardware, (self.bits[option] for option in choice.options), strict=True))

    def _measured(self, options: Sequence[int]) -> MeasuredChips:
        numbers = dict(zip(self.subject.hardware, (self.bits[option] for option in options), strict=True))
        self.report("chips of an allocation")
        return self.factory.measured("allocated", self.factory.hardware(numbers))

    def _cost(self, chips: MeasuredChips) -> float:
        return chips.energy if chips.energy is not None else chips.cells

    def _uniform(self, costs: Table, limit: float) -> list[MeasuredChips]:
        """The best uniform bits within the budget, with the ADC as given and with the split of each layer."""
        totals = [sum(each[number] for each in costs.values()) for number in range(len(self.bits))]
        found = []
        for split in dict.fromkeys((False, self.factory.split)):
            tried = []
            for bits, total in zip(self.bits, totals, strict=True):
                if self.budget != "loss" and total > _NEAR * limit:
                    continue
                self.report(f"uniform {bits:g} bits")
                name = f"uniform {bits:g} bits" + (", ADC split of each layer" if split else "")
                tried.append(
                    self.factory.measured(
                        name, self.factory.hardware(dict.fromkeys(self.subject.hardware, bits), split=split)
                    )
                )
            met = [each for each in tried if self._meets(each, limit)]
            if met and self.budget == "loss":
                found.append(met[0])
            elif met:
                found.append(max(met, key=lambda each: self.metric.gain(0.0, each.mean)))
        return found

    def _meets(self, chips: MeasuredChips, limit: float) -> bool:
        if self.budget == "loss":
            return self.metric.gain(limit, chips.mean) >= 0
        return self._cost(chips) <= _SAME * limit

    def _described(self, hardware: Hardware | None, bits: Mapping[str, float]) -> HardwareChoice:
        if hardware is None:
            return self.subject.by_alias(self.factory.hardware(bits))
        split = {"adc.per_layer": True} if self.factory.split else {}
        own = {
            alias: {**_changes(hardware, alias), "weight_bits": bits[name], **split}
            for name in self.subject.hardware
            for alias in self.subject.aliases[name]
        }
        # Of patterns that match a layer, the last one counts.
        others = {pattern: changes for pattern, changes in hardware.layers.items() if pattern not in own}
        return hardware.replace(layers={**others, **own})


def _changes(hardware: Hardware, pattern: str) -> Mapping[str, Any]:
    """What a description says of a pattern itself."""
    changes = hardware.layers.get(pattern, {})
    return {} if isinstance(changes, str) else changes
