"""Which layer is the problem: the metric with only one layer on the chip, and with only one layer digital."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from torch import nn

from memrix.model.batches import collected
from memrix.model.patterns import HardwareChoice, Layers
from memrix.studies.arguments import require_arguments
from memrix.studies.compared import Comparisons, Switching, compare
from memrix.studies.metric import Metric, MetricChoice
from memrix.studies.power import Power
from memrix.studies.sensitivity_result import GroupSensitivity, Sensitivity
from memrix.studies.studied import StudiedModel, named_groups, prepare
from memrix.studies.switching import EXACT, ON_CHIP

__all__ = ["GroupSensitivity", "Sensitivity", "sensitivity"]


def sensitivity(
    model: nn.Module,
    hardware: HardwareChoice,
    batches: Iterable[Any],
    metric: MetricChoice,
    *,
    groups: Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    layers: Layers = None,
    calibration: Iterable[Any] | None = None,
    chips: int = 1,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Sensitivity:
    """Rank the layers of a model by what each costs on a chip.

    Each layer is measured twice: with only this layer on the chip and all others exact, and with only this layer
    exact and all others on the chip. Exact layers compute in floating point, with the weights of the model; of a
    quantized model, with its quantized weights. What a layer costs is the mean of both: the share that is its own,
    and half of what it costs together with others (the Shapley value, as long as errors act in pairs).

    Args:
        model: a float or quantized module; it is unchanged.
        hardware: the chip, or a mapping of name patterns to chips.
        batches: as the metric takes them; an iterable is read once.
        metric: a ``memrix.Metric`` with a direction, or ``"loss"`` or ``"accuracy"`` for pairs of input and target.
        groups: name patterns, each of which is switched as a whole, or names of groups with the patterns of each;
            every layer by default.
        layers: the layers on the chip, as for ``memrix.program``.
        calibration: batches for ``memrix.calibrate`` if the model is not calibrated for this hardware; by default the
            inputs of the metric.
        chips: number of chips, over which figures are means.
        seed: of the first chip; the others follow.
        progress: called with the steps done, all steps, and what is measured next.

    Returns:
        The groups from the one that costs most to the one that costs least: print it, or ``plot`` it.

    Raises:
        SettingsError: a pattern matches no layer, or the metric has no direction.
        MetricError: there is no batch, or the metric fails or gives NaN.
        ConversionError: the layers cannot be mapped as asked.
    """
    require_arguments(chips=chips, seed=seed)
    measured, seeds = Metric.of(metric), range(seed, seed + chips)
    measured.gain(0.0, 0.0)  # which needs a direction
    held = collected(batches)
    subject = prepare(model, hardware, held, measured, layers=layers, calibration=calibration)
    wanted = named_groups(groups, subject)
    found = []
    for number, each in enumerate(seeds):
        if progress is not None:
            progress(number, chips, f"chip {each}")
        found.append(_on_one_chip(subject, wanted, held, measured, each))
    return _result(found, wanted, measured)


def _on_one_chip(
    subject: StudiedModel, groups: Mapping[str, Sequence[str]], batches: Sequence[Any], metric: Metric, seed: int
) -> Comparisons:
    """All layers on the chip; then of each group: it alone on the chip, and it alone exact."""
    chip = subject.programmed(subject.hardware, seed)
    trials = [Switching(chip)]
    for names in groups.values():
        trials.append(Switching(chip, dict.fromkeys(names, ON_CHIP), EXACT))
        trials.append(Switching(chip, dict.fromkeys(names, EXACT), ON_CHIP))
    return compare(trials, batches, metric)


def _result(found: Sequence[Comparisons], groups: Mapping[str, Sequence[str]], metric: Metric) -> Sensitivity:
    rows = []
    for number, (group, names) in enumerate(groups.items()):
        alone = [each.switchings[1 + 2 * number] for each in found]
        digital = [each.switchings[2 + 2 * number] for each in found]
        rows.append(
            GroupSensitivity(
                name=group,
                layers=tuple(names),
                alone=tuple(each.metric.mean for each in alone),
                digital=tuple(each.metric.mean for each in digital),
                cost_alone=tuple(
                    metric.gain(each.metric.mean, whole.reference.mean)
                    for each, whole in zip(alone, found, strict=True)
                ),
                gain_digital=tuple(
                    metric.gain(whole.switchings[0].metric.mean, each.metric.mean)
                    for each, whole in zip(digital, found, strict=True)
                ),
                error_alone=fmean(each.network.relative for each in alone),
                error_digital=fmean(each.network.relative for each in digital),
                sqnr=_sqnr(found, names),
            )
        )
    return Sensitivity(
        metric=metric.name,
        higher_is_better=bool(metric.higher_is_better),
        reference=fmean(each.reference.mean for each in found),
        chip=tuple(each.switchings[0].metric.mean for each in found),
        error=fmean(each.switchings[0].network.relative for each in found),
        groups=tuple(sorted(rows, key=lambda row: (row.cost, row.error_alone), reverse=True)),
    )


def _sqnr(found: Sequence[Comparisons], names: Sequence[str]) -> float | None:
    """Of the outputs of layers on exact inputs, in dB; None if no batch reaches them."""
    reached = [whole.layers[name] for whole in found for name in names if name in whole.layers]
    if not reached:
        return None
    return Power(sum(each.signal for each in reached), sum(each.error for each in reached)).sqnr
