"""Which layers of a model are mapped, to which hardware, and why the others stay digital."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import nn

from memrix._support.tables import listed
from memrix._support.wording import listing
from memrix.errors import ConversionError, CoverageWarning
from memrix.hardware import Hardware
from memrix.model.inventory import Candidate, candidate_layers, digital_reason, require_module
from memrix.model.patterns import Choice, HardwareChoice, Layers
from memrix.nn.adoption import adopted_class, torch_type
from memrix.nn.composite import PendingDecomposition, Projection
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.quantized import QuantizedLayer
from memrix.nn.registry import HOW_TO_ADD, NO_COUNTERPART, Handler, registered_layers


@dataclass(frozen=True)
class Selected:
    """A layer to be mapped.

    Attributes:
        name: of the layer.
        module: that it is.
        handler: how it is mapped.
        hardware: it is mapped to.
        owner: the composite layer that has to be decomposed first.
        explicit: whether a name pattern or a predicate selected it, rather than the default of all layers.
    """

    name: str
    module: nn.Module
    handler: Handler
    hardware: Hardware
    owner: PendingDecomposition | None
    explicit: bool


class Skipped(NamedTuple):
    """A layer that stays digital, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Which layers of a model are mapped, and which are skipped.

    Attributes:
        selected: the layers to be mapped, in the order of the model.
        problems: why they cannot be mapped as asked.
        skipped: layers that cannot be mapped and were not selected by name.
        by_hardware: why layers that could be mapped are digital: the hardware says so.
    """

    selected: tuple[Selected, ...]
    problems: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    by_hardware: Mapping[str, str]


def plan(
    model: nn.Module,
    hardware: HardwareChoice,
    layers: Layers,
    *,
    anew: bool = False,
    objections: Mapping[str, str] | None = None,
) -> Plan:
    """Plan a selection without changing the model.

    Args:
        model: any module.
        hardware: one chip for all, or a mapping of name patterns to chips, ``None`` meaning digital; the last
            pattern that matches a layer counts, and layers that match none stay digital.
        layers: name patterns (``fnmatch``), or a predicate ``(name, module) -> bool``; all by default. A pattern that
            is the exact name of a layer means that layer only, even if it contains pattern characters.
        anew: whether to forget which layers an earlier calibration left digital.
        objections: why certain layers cannot be mapped, by name, as a run of the model has shown.

    Raises:
        ConversionError: what was given is no model.
        SettingsError: it is not hardware, or no pattern at all.
    """
    require_module(model)
    if any(isinstance(module, CrossbarLayer) for module in model.modules()):
        raise ConversionError("this model runs on a chip already; start again from the digital model")
    candidates = candidate_layers(model)
    names = [name for layer in candidates for name in layer.names]
    choice = Choice(layers, hardware, names)
    problems = choice.unmatched([name for name, _ in model.named_modules(remove_duplicate=False)])
    chosen: list[Selected] = []
    skipped: list[Skipped] = []
    by_hardware: dict[str, str] = {}
    for layer in candidates:
        found = _ruled(layer, choice, (objections or {}).get(layer.name), layers, anew=anew)
        if isinstance(found, Selected):
            chosen.append(found)
        elif isinstance(found, str):
            problems.append(found)
        elif isinstance(found, Skipped):
            skipped.append(found)
        elif isinstance(layer.handler, Handler) and (pattern := choice.made_digital_by(layer.names[-1])) is not None:
            by_hardware[layer.name] = f"the hardware makes it digital (pattern {pattern!r})"
    problems += _tied(chosen)
    if not chosen and not problems:
        problems.append(_nothing_to_map(candidates, {**by_hardware, **(objections or {})}))
    return Plan(tuple(chosen), tuple(problems), tuple(skipped), by_hardware)


def _ruled(
    layer: Candidate, choice: Choice, objection: str | None, layers: Layers, *, anew: bool
) -> Selected | Skipped | str | None:
    """A layer as it is selected or skipped, why neither is possible, or None: nobody asked for it."""
    asked = [choice.asked(alias, layer.module) for alias in layer.names]
    chips = [choice.chip(alias) for alias in layer.names]
    chip, by_name = chips[-1]
    if any(other != chip for other, _ in chips):
        return f"layer {layer.name!r} goes by the names {layer.names}, and these are to run on different hardware"
    if not any(want for want, _ in asked) or chip is None:
        return None
    explicit = by_name or any(precise for _, precise in asked)
    # Of layers that multiply nothing, a pattern for many means the others.
    exactly = any(map(choice.names_exactly, layer.names))
    handler = objection or layer.handler
    ruling = None if anew else layer.ruling
    if isinstance(handler, Handler):
        if ruling is not None and exactly:
            return f"layer {layer.name!r} stays digital: {ruling}; leave it out of the selection"
        if ruling is not None:
            return Skipped(layer.name, ruling)
        if handler.on_request is None or exactly or callable(layers):
            return Selected(layer.name, layer.module, handler, chip, layer.owner, explicit)
        return None
    if explicit and (layer.multiplies or exactly):
        fix = f"leave it out of the selection{f'; {HOW_TO_ADD}' if NO_COUNTERPART in handler else ''}"
        return f"layer {layer.name!r} cannot be mapped: {handler}; {fix}"
    return Skipped(layer.name, handler) if layer.multiplies else None


def select(model: nn.Module, hardware: HardwareChoice, layers: Layers, *, anew: bool = False) -> list[Selected]:
    """The layers to be mapped, as ``plan`` finds them. Layers that are skipped are named in a warning.

    Raises:
        ConversionError: nothing can be mapped, a pattern matches nothing, a selected layer cannot be mapped, or
            the model is on a chip already. Every problem is listed.
    """
    found = plan(model, hardware, layers, anew=anew)
    if found.problems:
        raise ConversionError(f"the layers cannot be mapped as asked:{listing(found.problems)}")
    warn_of_digital(model, found.skipped, stacklevel=4)
    return list(found.selected)


class Adoptable(Protocol):
    """A layer, and the composite layer that has to be decomposed first."""

    @property
    def module(self) -> nn.Module:
        """The layer."""

    @property
    def owner(self) -> PendingDecomposition | None:
        """The composite layer."""


def quantized_classes(selected: Iterable[Adoptable]) -> dict[nn.Module, type[nn.Module]]:
    """The class that each selected layer, and each composite layer to be decomposed, has once it is quantized."""
    return _classes(selected, QuantizedLayer)


def programmed_classes(selected: Iterable[Adoptable]) -> dict[nn.Module, type[nn.Module]]:
    """The class that each selected layer, and each composite layer to be decomposed, has once it is programmed."""
    return _classes(selected, CrossbarLayer)


def _classes(selected: Iterable[Adoptable], kind: type[QuantizedLayer]) -> dict[nn.Module, type[nn.Module]]:
    classes: dict[nn.Module, type[nn.Module]] = {}
    for layer in selected:
        classes[layer.module] = adopted_class(kind, torch_type(type(layer.module)))
        if layer.owner is not None:
            classes[layer.owner.module] = layer.owner.composite.decomposed
    return classes


BY_NAME = "to silence this, name the layers to map: layers=[...]"

_WARNED: WeakKeyDictionary[nn.Module, set[tuple[str, str]]] = WeakKeyDictionary()
"""Layers that each model has been warned of, and why they stay digital: every verb selects, and once is enough."""


def warn_of_digital(model: nn.Module, skipped: Sequence[tuple[str, str]], *, stacklevel: int = 3) -> None:
    """Warn of layers that stay digital although all were asked for: names and reasons.

    A model is warned of them once, whatever is done with it, and again when there is one that was not among them.
    """
    if set(skipped) <= _WARNED.get(model, set()):
        return
    told = ", ".join(f"{name!r} ({reason})" for name, reason in skipped)
    warnings.warn(
        f"these layers cannot be mapped and stay digital: {told}; {BY_NAME}",
        CoverageWarning,
        stacklevel=stacklevel,
    )
    # Afterwards: whoever turns warnings into errors gets one each time.
    _WARNED.setdefault(model, set()).update(skipped)


def decompose_owners(selected: Iterable[Adoptable]) -> None:
    """Decompose, in place, the composite layers that selected layers are submodules of."""
    for layer in selected:
        if layer.owner is not None:
            layer.owner.decompose_()


def weights_not_finite(selected: Iterable[Selected]) -> list[str]:
    """Names of the layers whose parameters are NaN or infinite in float32, in which a chip computes."""
    return [
        layer.name
        for layer in selected
        if not all(
            bool(torch.isfinite(p.detach().float()).all())
            for p in (layer.module.weight, getattr(layer.module, "bias", None))
            if isinstance(p, torch.Tensor)
        )
    ]


def require_finite_weights(selected: Iterable[Selected]) -> None:
    """Raise ConversionError that names the layers whose parameters are not finite."""
    broken = weights_not_finite(selected)
    if broken:
        raise ConversionError(
            f"the parameters of these layers hold NaN or infinite values: {', '.join(broken)}; "
            f"a chip can hold finite weights only: load or train the model again"
        )


def _tied(chosen: list[Selected]) -> list[str]:
    """Layers of one weight: cells hold it for one of them."""
    holders: dict[Any, list[str]] = {}
    for layer in chosen:
        module = layer.module
        if isinstance(module, Projection):
            holders.setdefault(module.identity, []).append(layer.name)
        elif module._parameters.get("weight") is not None:
            holders.setdefault(id(module.weight), []).append(layer.name)
    return [
        f"layers {' and '.join(map(repr, names))} share one weight, and each would write it to its own cells, "
        f"which from then on differ; give all but one a copy of the weight, or leave them out of the selection"
        for names in holders.values()
        if len(names) > 1
    ]


def _nothing_to_map(candidates: Sequence[Candidate], reasons: Mapping[str, str]) -> str:
    text = f"there is no layer to map: memrix maps {', '.join(registered_layers())}, and "
    if not candidates:
        return text + "this model has no layer with a weight matrix"
    by_reason: dict[str, list[str]] = {}
    for layer in candidates:
        by_reason.setdefault(reasons.get(layer.name) or digital_reason(layer), []).append(layer.name)
    layers = "; ".join(f"{listed(names)} ({reason})" for reason, names in by_reason.items())
    return text + f"the selection holds none of those; the layers of the model are: {layers}"
