"""What to change first: the remedies that promise most, measured on the chips of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch

from memrix._support.validation import require_integer
from memrix.hardware import Hardware
from memrix.model.patterns import HardwareChoice
from memrix.model.readiness import foreign_steps
from memrix.model.selection import plan
from memrix.studies.compared import Comparison, Switching, compare
from memrix.studies.metric import Metric
from memrix.studies.remedies import REMEDIES, MeasuredRemedy, Remedy
from memrix.studies.studied import StudiedModel

if TYPE_CHECKING:
    from memrix.studies.attribution_result import LayerCauses

Progress = Callable[[int, int, str], None]


def require_remedies(remedies: int) -> None:
    """Raise SettingsError unless so many remedies can be measured."""
    require_integer("remedies", remedies, 0, len(REMEDIES))


def measured_remedies(
    network: LayerCauses,
    hardware: HardwareChoice,
    subject: StudiedModel,
    batches: Sequence[Any],
    metric: Metric,
    seeds: Sequence[int],
    most: int,
    progress: Progress | None = None,
) -> tuple[MeasuredRemedy, ...]:
    """The remedies that promise most against the causes of a network's error, the best first.

    Args:
        network: its error by cause.
        hardware: as the user gave it.
        subject: the model.
        batches: as the metric takes them.
        metric: that is to improve.
        seeds: of the chips.
        most: how many are measured.
        progress: called with the chips done, all of them, and what is measured next.
    """
    promising = [each for each in by_promise(network, subject) if _suits(subject, each[0])][:most]
    if not promising:
        return ()
    before = [_on_chip(subject, subject.hardware, batches, metric, seed) for seed in seeds]
    found = []
    for number, (remedy, promise) in enumerate(promising):
        changed = {name: remedy.applied(chip) for name, chip in subject.hardware.items()}
        subject.ready_for(changed)
        after = []
        for chip, seed in enumerate(seeds):
            if progress is not None:
                progress(number * len(seeds) + chip, len(promising) * len(seeds), f"remedy: {remedy.text}")
            after.append(_on_chip(subject, changed, batches, metric, seed))
        chips: HardwareChoice = subject.by_alias(changed)
        if isinstance(hardware, Hardware) and not hardware.layers:
            chips = remedy.applied(hardware)
        found.append(_measured(remedy, promise, network, chips, before, after, metric))
    return tuple(sorted(found, key=lambda each: each.rank, reverse=True))


def by_promise(network: LayerCauses, subject: StudiedModel) -> list[tuple[Remedy, float]]:
    """Remedies that change something, and the error power that each is expected to take away; the largest first."""
    found = []
    for remedy in REMEDIES:
        promise = sum(max(network.of(cause).share, 0.0) * share for cause, share in remedy.removes.items())
        changes = any(remedy.applied(chip) != chip for chip in subject.hardware.values())
        if promise > 0 and changes:
            found.append((remedy, promise))
    return sorted(found, key=lambda each: each[1], reverse=True)


def _suits(subject: StudiedModel, remedy: Remedy) -> bool:
    """Whether a model can be programmed so without training: learned steps are of one number of bits."""
    if subject.exact and not remedy.for_trained:
        return False
    changed = subject.by_alias({name: remedy.applied(chip) for name, chip in subject.hardware.items()})
    return not foreign_steps(plan(subject.model, changed, None).selected)


def _on_chip(
    subject: StudiedModel, hardware: Mapping[str, Hardware], batches: Sequence[Any], metric: Metric, seed: int
) -> tuple[Comparison, int]:
    """What was measured of a chip, and its cells."""
    chip = subject.programmed(hardware, seed)
    cells = sum(layer.memrix.programmed.crossbar.layout.cells for layer in chip.layers.values())
    return compare([Switching(chip)], batches, metric).switchings[0], cells


def _measured(
    remedy: Remedy,
    promise: float,
    network: LayerCauses,
    hardware: HardwareChoice,
    before: Sequence[tuple[Comparison, int]],
    after: Sequence[tuple[Comparison, int]],
    metric: Metric,
) -> MeasuredRemedy:
    old, new = (fmean(each.metric.mean for each, _ in trials) for trials in (before, after))
    return MeasuredRemedy(
        text=remedy.text,
        causes=tuple(
            each.cause for each in network.causes if each.share > 0 and remedy.removes.get(each.cause, 0.0) > 0
        ),
        hardware=hardware,
        predicted=max(network.error - promise, 0.0),
        error=fmean(each.network.relative for each, _ in after),
        error_before=fmean(each.network.relative for each, _ in before),
        before=old,
        after=new,
        gain=metric.gain(old, new),
        deviation=_standard_error([each for each, _ in before], [each for each, _ in after]),
        cells=after[0][1],
        cells_before=before[0][1],
    )


def _standard_error(before: Sequence[Comparison], after: Sequence[Comparison]) -> float:
    """Of the difference of means over the items; 0 where there is one item, of which it is not known."""
    weights = before[0].metric.weights
    pairs = zip(before, after, strict=True)
    changes = torch.stack([new.metric.values - old.metric.values for old, new in pairs]).mean(0)
    if len(changes) < 2:
        return 0.0
    shares = weights / weights.sum()
    scatter = (shares * (changes - (shares * changes).sum())).square().sum()
    return sqrt(float(scatter) * len(changes) / (len(changes) - 1))
