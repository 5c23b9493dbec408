"""The model of a study: a calibrated copy, the hardware of each layer, and the weights that it is judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from memrix._support.wording import listing
from memrix.errors import MetricError, SettingsError
from memrix.hardware import Hardware
from memrix.model.batches import collected
from memrix.model.conversion import program
from memrix.model.inventory import candidate_layers
from memrix.model.modes import evaluating
from memrix.model.patterns import Choice, HardwareChoice, Layers, matching
from memrix.model.selection import select
from memrix.studies.metric import Metric
from memrix.studies.preparation import Preparation
from memrix.studies.switching import SwitchedChip, exact_weights

ByLayer = dict[str, Hardware]


@dataclass(frozen=True)
class StudiedModel:
    """A model to be studied.

    Attributes:
        preparation: of a copy of the user's model, calibrated for the hardware.
        hardware: of each layer that is mapped, by its first name.
        shapes: groups, inputs and outputs of the matrices of each, likewise.
        aliases: all names of each, by its first name.
        exact: weights that quantized layers compute with, by name.
    """

    preparation: Preparation
    hardware: ByLayer
    shapes: Mapping[str, tuple[int, int, int]]
    aliases: Mapping[str, tuple[str, ...]]
    exact: Mapping[str, Tensor]

    @property
    def model(self) -> nn.Module:
        """The copy."""
        return self.preparation.model

    def programmed(self, hardware: Mapping[str, Hardware], seed: int) -> SwitchedChip:
        """A chip, with other hardware: of each layer by its first name."""
        return SwitchedChip(program(self.model, self.by_alias(hardware), seed=seed), self.exact)

    def by_alias(self, hardware: Mapping[str, Hardware]) -> dict[str, Hardware | None]:
        """The hardware of layers as ``memrix.program`` takes it."""
        return {alias: chip for name, chip in hardware.items() for alias in self.aliases[name]}

    def ready_for(self, hardware: Mapping[str, Hardware]) -> None:
        """Calibrate what is missing for other hardware; ranges that there are stay."""
        self.preparation.calibrate([self.by_alias(hardware)])


def prepare(
    model: nn.Module,
    hardware: HardwareChoice,
    batches: Sequence[Any],
    metric: Metric,
    *,
    layers: Layers = None,
    calibration: Iterable[Any] | None = None,
) -> StudiedModel:
    """A model ready to be studied. The model itself is unchanged.

    Raises:
        ConversionError: nothing can be mapped, or not as asked.
        CalibrationError: the inputs do not calibrate the model.
        MetricError: there is no batch, or the metric fails.
    """
    if not batches:
        raise MetricError(f"there is no batch to measure {metric.name!r} on; give at least one")
    chosen = select(model, hardware, layers)  # before a minute is spent on anything
    if layers is not None:
        aliases = _aliases(model)
        hardware = {alias: layer.hardware for layer in chosen for alias in aliases[layer.name]}
    preparation = Preparation(model, metric, batches, None if calibration is None else collected(calibration))
    preparation.calibrate([hardware])
    found, aliases = select(preparation.model, hardware, None), _aliases(preparation.model)
    with evaluating(preparation.model):
        exact = exact_weights(preparation.model)
    return StudiedModel(
        preparation,
        {layer.name: layer.hardware for layer in found},
        {layer.name: layer.handler.geometry.matrix_shape(layer.module) for layer in found},
        {layer.name: aliases[layer.name] for layer in found},
        exact,
    )


def _aliases(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """All names of each candidate layer, by the one that it is called."""
    return {layer.name: tuple(layer.names) for layer in candidate_layers(model)}


def named_groups(
    groups: Sequence[str] | Mapping[str, str | Sequence[str]] | None, subject: StudiedModel
) -> dict[str, tuple[str, ...]]:
    """Layers of groups: by name patterns, each a group, or by names of groups with the patterns of each.

    Args:
        groups: None: each layer is one.
        subject: whose layers they are of.

    Raises:
        SettingsError: a pattern matches no layer of the chip; the nearest name is told.
    """
    names = list(subject.hardware)
    if groups is None:
        return {name: (name,) for name in names}
    if isinstance(groups, str):
        groups = [groups]
    wanted = groups if isinstance(groups, Mapping) else {pattern: pattern for pattern in groups}
    patterns = {name: [one] if isinstance(one, str) else list(one) for name, one in wanted.items()}
    everything = [pattern for many in patterns.values() for pattern in many]
    containers = [name for name, _ in subject.model.named_modules(remove_duplicate=False)]
    problems = Choice(everything, Hardware(), names).unmatched(containers)
    if not everything:
        problems = ["there is no group; leave groups out to study each layer"]
    if problems:
        raise SettingsError(f"the groups cannot be formed:{listing(problems)}")
    return {
        group: tuple(name for name in names if any(name in matching(each, names) for each in many))
        for group, many in patterns.items()
    }
