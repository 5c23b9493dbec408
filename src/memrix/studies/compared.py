"""A chip beside the network that it was made from: a metric, and how far the outputs of both lie apart."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from memrix._support.random import Seeds
from memrix.errors import MetricError
from memrix.model.modes import evaluating
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.studies.metric import Measured, Metric
from memrix.studies.power import Power
from memrix.studies.switching import EXACT, ON_CHIP, Switch, SwitchedChip
from memrix.studies.trials import random_numbers_of

Switches = Mapping[str, Switch]


@dataclass(frozen=True)
class Switching:
    """A chip to be compared, and how its layers are switched.

    Attributes:
        chip: whose layers are switched.
        switches: of layers, by name.
        default: of all others.
    """

    chip: SwitchedChip
    switches: Switches = field(default_factory=dict)
    default: Switch = ON_CHIP


@dataclass(frozen=True)
class Comparison:
    """What was measured of a switching.

    Attributes:
        metric: of the chip.
        network: energy of the outputs of the network without errors, and of what those of the chip differ by.
    """

    metric: Measured
    network: Power


@dataclass(frozen=True)
class Comparisons:
    """What was measured of several switchings on the same batches.

    Attributes:
        reference: the metric of the network without errors: exact weights and inputs, no chip.
        switchings: in the order given.
        layers: of the first switching: energy of the outputs of each layer without errors, and of what the layer
            differs by on the same inputs; by name.
    """

    reference: Measured
    switchings: tuple[Comparison, ...]
    layers: dict[str, Power]


def compare(
    switchings: Sequence[Switching],
    batches: Iterable[Any],
    metric: Metric,
    *,
    progress: Callable[[int], None] | None = None,
) -> Comparisons:
    """Measure chips, the network without errors, and how far their outputs lie apart.

    The outputs are those of the model's calls within the metric. Trials of one chip have the same read noise.

    Args:
        switchings: the first one must read cells unless the chip has been read before.
        batches: as the metric takes them.
        metric: that is measured.
        progress: called with the number of the batch before it is run.

    Raises:
        MetricError: there is no batch; the metric fails, or gives NaN; or it does not call the model, or calls it on
            inputs that follow from its outputs, so that these cannot be compared.
    """
    counted, layers = [_Counted() for _ in (None, *switchings)], dict[str, Power]()
    switchings = [*switchings[:1], *_with_own_cells(switchings[1:])]
    for number, batch in enumerate(batches, 1):
        if progress is not None:
            progress(number)
        first, *others = switchings
        starts = _positions(first.chip)
        given = _run(first, batch, metric, number)
        ends = _positions(first.chip)
        _rewind(first.chip, starts)
        meant = _run_exactly(first, batch, metric, number, layers)
        counted[0].add(meant, meant, metric)
        counted[1].add(given, meant, metric)
        for found, switching in zip(counted[2:], others, strict=True):
            same = switching.chip is first.chip
            if same:
                _rewind(first.chip, starts)
            found.add(_run(switching, batch, metric, number), meant, metric)
        _rewind(first.chip, ends)
    if not counted[0].values:
        raise MetricError(f"there is no batch to measure {metric.name!r} on; give at least one")
    reference, *of_switchings = (found.comparison for found in counted)
    return Comparisons(reference.metric, tuple(of_switchings), layers)


@dataclass
class _Run:
    """The items of the metric on one batch, and the outputs of the model's calls."""

    values: Tensor
    weights: Tensor
    outputs: list[Tensor]


@dataclass
class _Counted:
    values: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    network: Power = field(default_factory=Power)

    def add(self, run: _Run, meant: _Run, metric: Metric) -> None:
        self.values.append(run.values)
        self.weights.append(run.weights)
        if [each.shape for each in run.outputs] != [each.shape for each in meant.outputs]:
            raise MetricError(
                f"the metric {metric.name!r} calls the model on inputs that follow from its outputs, as decoding "
                f"token by token does, so that the outputs of a chip cannot be compared with those of the network; "
                f"give a metric that calls it on given inputs, such as the loss on given targets"
            )
        for given, expected in zip(run.outputs, meant.outputs, strict=True):
            self.network.add(given, expected)

    @property
    def comparison(self) -> Comparison:
        return Comparison(Measured(torch.cat(self.values), torch.cat(self.weights)), self.network)


def _with_own_cells(switchings: Sequence[Switching]) -> list[Switching]:
    """The same, each with a chip of its own where readings switch cells."""
    return [replace(each, chip=copy.deepcopy(each.chip)) if _is_disturbed(each.chip) else each for each in switchings]


def _is_disturbed(chip: SwitchedChip) -> bool:
    return any(layer.memrix.programmed.crossbar.word_lines is not None for layer in chip.layers.values())


def _run(switching: Switching, batch: Any, metric: Metric, number: int) -> _Run:  # noqa: ANN401
    with switching.chip.switched(switching.switches, switching.default):
        return _called(switching.chip.chip, batch, metric, number)


def _run_exactly(
    switching: Switching,
    batch: Any,  # noqa: ANN401
    metric: Metric,
    number: int,
    layers: dict[str, Power],
) -> _Run:
    chip = copy.deepcopy(switching.chip) if _is_disturbed(switching.chip) else switching.chip
    if switching.switches:
        with chip.switched({}, EXACT):
            return _called(chip.chip, batch, metric, number)
    with chip.watched(switching.default, layers):
        return _called(chip.chip, batch, metric, number)


def _called(chip: nn.Module, batch: Any, metric: Metric, number: int) -> _Run:  # noqa: ANN401
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: object) -> None:
        outputs.extend(tensor.detach().clone() for tensor in tensors_of(output))

    hook = chip.register_forward_hook(keep)
    try:
        with evaluating(chip), random_numbers_of(Seeds()):
            values, weights = metric.of_batch(chip, batch, number)
    finally:
        hook.remove()
    if not outputs:
        raise MetricError(
            f"the metric {metric.name!r} does not call the model itself on batch {number}, or that gives no "
            f"floating-point tensor, so that there are no outputs to compare; call model(...) in it"
        )
    return _Run(values, weights, outputs)


def tensors_of(output: object) -> Iterator[Tensor]:
    """The floating-point tensors of what a model returns; of a record with ``logits``, these alone."""
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping):
        yield from tensors_of(output["logits"] if "logits" in output else tuple(output.values()))
    elif isinstance(output, (tuple, list)):
        for value in output:
            yield from tensors_of(value)
    elif dataclasses.is_dataclass(output):
        yield from tensors_of({each.name: getattr(output, each.name) for each in dataclasses.fields(output)})


def _positions(chip: SwitchedChip) -> list[tuple[CrossbarLayer, Tensor]]:
    """Where the read noise and the counts of each layer are."""
    return [(layer, layer.memrix.programmed.crossbar.record.clone()) for layer in chip.layers.values()]


def _rewind(chip: SwitchedChip, positions: list[tuple[CrossbarLayer, Tensor]]) -> None:
    for layer, position in positions:
        layer.memrix.programmed.crossbar.record.copy_(position)
