"""Which cause is the problem: the errors of the layers and of the network split by cause, and what to change first.

The error power ``E(S)`` of a chip on which a set ``S`` of causes acts is measured for each cause alone, and for all
causes but one. If errors add up as vectors do, ``E`` has terms of one cause and of pairs alone, and the mean of both
differences::

    (E({c}) - E({})) / 2 + (E(all) - E(all without c)) / 2

gives every cause its own term and half of each of its pairs: the Shapley value, whose sum over the causes is
``E(all)``. What the sum lacks is the residual, from three causes and more that act together. The Shapley value of
these is the mean of what a cause adds in any order of the causes, which random orders estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from torch import nn

from memrix._support.validation import require_integer
from memrix.model.batches import collected
from memrix.model.patterns import HardwareChoice, Layers
from memrix.studies.arguments import require_arguments
from memrix.studies.attribution_result import Attribution, CauseShare, LayerCauses
from memrix.studies.cause_sets import names_of, orders as orders_of, pairs_in, pairs_of, sets_of
from memrix.studies.causes import ACTIVATIONS, CAUSES, WEIGHTS, Cause, with_causes
from memrix.studies.compared import Comparisons, Switching, compare
from memrix.studies.metric import Metric, MetricChoice
from memrix.studies.recommendation import measured_remedies, require_remedies
from memrix.studies.studied import ByLayer, StudiedModel, prepare
from memrix.studies.switching import Switch, SwitchedChip

__all__ = ["Attribution", "CauseShare", "LayerCauses", "attribution"]

NETWORK = ""  # among the names of layers
Report = Callable[[str], None]


def attribution(
    model: nn.Module,
    hardware: HardwareChoice,
    batches: Iterable[Any],
    metric: MetricChoice,
    *,
    layers: Layers = None,
    calibration: Iterable[Any] | None = None,
    orders: int = 0,
    remedies: int = 6,
    chips: int = 1,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Attribution:
    """Split the errors of a chip by cause, and find out what to change first.

    The error power of the outputs is measured against the network without errors: exact weights and inputs, no chip.
    That of a layer is of its outputs for exact inputs, so that errors of earlier layers are not part of it. Weights
    of a quantized model are exact as they are quantized: it was trained to them.

    Args:
        model: a float or quantized module; it is unchanged.
        hardware: the chip, or a mapping of name patterns to chips.
        batches: as the metric takes them; an iterable is read once.
        metric: a ``memrix.Metric`` with a direction, or ``"loss"`` or ``"accuracy"`` for pairs of input and target.
        layers: the layers on the chip, as for ``memrix.program``.
        calibration: batches for ``memrix.calibrate`` if the model is not calibrated for this hardware, or for that of
            a remedy; by default the inputs of the metric.
        orders: in how many random orders causes are added one after the other. Their shares are then means over the
            orders, which leave no residual; each order takes as many more chips as there are causes.
        remedies: how many changes of the hardware are measured, beginning with the one that promises most.
        chips: number of chips, over which figures are means.
        seed: of the first chip; the others follow.
        progress: called with the chips programmed, all that will be, and what is measured next.

    Raises:
        SettingsError: the metric has no direction, or a number is out of its range.
        MetricError: there is no batch, or the metric fails or gives NaN.
        ConversionError: the layers cannot be mapped as asked.
    """
    require_arguments(chips=chips, seed=seed)
    measured, seeds = Metric.of(metric), range(seed, seed + chips)
    require_remedies(remedies)
    require_integer("orders", orders, 0, 1000)
    measured.gain(0.0, 0.0)  # which needs a direction
    held = collected(batches)
    subject = prepare(model, hardware, held, measured, layers=layers, calibration=calibration)
    acting = [cause for cause in CAUSES if any(cause.acts_on(chip) for chip in subject.hardware.values())]
    in_orders = orders_of(acting, orders)
    sets = sets_of(acting, in_orders)
    report = _counting(progress, chips * len(sets))
    found = [_Sets(subject, held, measured, each, acting, report).measured(sets) for each in seeds]
    split = _result(found, acting, in_orders, measured)
    found_remedies = measured_remedies(
        split.network, hardware, subject, held, measured, seeds, remedies, progress=progress
    )
    return replace(split, remedies=found_remedies)


@dataclass
class _Sets:
    """Sets of causes, each measured once on one chip; by the names of those that act."""

    subject: StudiedModel
    batches: Sequence[Any]
    metric: Metric
    seed: int
    acting: Sequence[Cause]
    report: Report
    known: dict[frozenset[str], Comparisons] = field(default_factory=dict)

    def measured(self, sets: Sequence[Sequence[Cause]]) -> dict[frozenset[str], Comparisons]:
        whole = self.subject.programmed(self.subject.hardware, self.seed)
        # All sets are read with the converters of the whole chip.
        fixed = {name: _with_adc_of(whole, name, chip) for name, chip in self.subject.hardware.items()}
        for causes in sets:
            self.report(_said(causes, self.acting))
            self.known[names_of(causes)] = self._measured(causes, whole, fixed)
        return self.known

    def _measured(self, causes: Sequence[Cause], whole: SwitchedChip, fixed: ByLayer) -> Comparisons:
        physical = [cause for cause in causes if not cause.digital]
        everything = len(causes) == len(self.acting)
        switch = Switch(everything or bool(physical), WEIGHTS in causes, ACTIVATIONS in causes)
        chip = whole
        if physical and not everything:
            chips = {name: with_causes(one, physical) for name, one in fixed.items()}
            chip = self.subject.programmed(chips, self.seed)
        return compare([Switching(chip, default=switch)], self.batches, self.metric)


def _with_adc_of(chip: SwitchedChip, name: str, hardware: Any) -> Any:  # noqa: ANN401
    adc = chip.layers[name].memrix.programmed.crossbar.circuit.adc
    return hardware.replace(adc=replace(adc, per_layer=False))


def _said(causes: Sequence[Cause], acting: Sequence[Cause]) -> str:
    if len(causes) == len(acting):
        return "all causes"
    missing = [cause.name for cause in acting if cause not in causes]
    if len(missing) < len(causes):
        return f"all but {', '.join(missing)}"
    return " and ".join(cause.name for cause in causes) or "the network without errors"


def _counting(progress: Callable[[int, int, str], None] | None, total: int) -> Report:
    done = 0

    def report(what: str) -> None:
        nonlocal done
        if progress is not None:
            progress(done, total, what)
        done += 1

    return report


def _result(
    found: Sequence[Mapping[frozenset[str], Comparisons]],
    acting: Sequence[Cause],
    in_orders: Sequence[Sequence[Cause]],
    metric: Metric,
) -> Attribution:
    whole = [each[names_of(acting)] for each in found]
    names = list(dict.fromkeys(name for each in whole for name in each.layers))
    split = {name: _split(found, acting, in_orders, metric, name) for name in (NETWORK, *names)}
    worst = sorted(names, key=lambda name: split[name].error, reverse=True)
    return Attribution(
        metric=metric.name,
        higher_is_better=bool(metric.higher_is_better),
        reference=sum(each.reference.mean for each in whole) / len(whole),
        chip=tuple(each.switchings[0].metric.mean for each in whole),
        network=split[NETWORK],
        layers=tuple(split[name] for name in worst),
    )


def _split(
    found: Sequence[Mapping[frozenset[str], Comparisons]],
    acting: Sequence[Cause],
    in_orders: Sequence[Sequence[Cause]],
    metric: Metric,
    name: str,
) -> LayerCauses:
    """The error of a layer, or of the network, by cause: means over the chips."""

    def power(causes: Sequence[Cause]) -> float:
        """Error power as a share of that of the outputs."""
        shares = []
        for each in found:
            measured = each[names_of(causes)]
            shares.append((measured.layers[name] if name else measured.switchings[0].network).relative)
        return sum(shares) / len(shares)

    def cost(causes: Sequence[Cause]) -> float:
        """How much worse the metric is than without errors."""
        measured = [each[names_of(causes)] for each in found]
        losses = [metric.gain(each.switchings[0].metric.mean, each.reference.mean) for each in measured]
        return sum(losses) / len(losses)

    rows = []
    for cause in CAUSES:
        if cause not in acting:
            rows.append(CauseShare(cause.name, 0.0, 0.0, 0.0, 0.0))
            continue
        (first, needed), (last, others) = pairs_of(cause, acting)
        added = [pairs_in(order)[cause] for order in in_orders]
        rows.append(
            CauseShare(
                cause.name,
                alone=power(first) - power(needed),
                removed=power(last) - power(others),
                cost_alone=0.0 if name else cost(first) - cost(needed),
                gain_removed=0.0 if name else cost(last) - cost(others),
                in_orders=fmean(power(having) - power(lacking) for having, lacking in added) if added else None,
            )
        )
    return LayerCauses(name, power(acting), tuple(sorted(rows, key=lambda row: row.share, reverse=True)))
