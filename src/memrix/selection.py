"""Which layers of a model are meant, on which hardware, and why the others stay digital."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize

from memrix.errors import ConversionError, CoverageWarning, NumericsError
from memrix.hardware import Hardware
from memrix.nn.composite import OpenedLayer, Projection, Unopened
from memrix.nn.crossbar_layer import CrossbarLayer
from memrix.nn.registry import Handler, handler_of, parts_of, registered_layers
from memrix.records import closest

Layers = str | Sequence[str] | Callable[[str, nn.Module], bool] | None
HardwareChoice = Hardware | Mapping[str, Hardware | None]

# Their parameters multiply no vector: there is nothing to map.
_NO_PRODUCT = (nn.Embedding, nn.EmbeddingBag, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.batchnorm._NormBase)
_EVERYTHING = "*"


@dataclass
class Weighted:
    """A module that holds a weight of two or more axes, or a part of a composite layer that does.

    Attributes:
        module: the layer.
        names: it goes by.
        owner: the composite layer that has to be opened before the layer is part of the model.
        obstacle: why it cannot be mapped, known from its owner.
    """

    module: nn.Module
    names: list[str] = field(default_factory=list)
    owner: Unopened | None = None
    obstacle: str | None = None

    @property
    def name(self) -> str:
        """What it is called, also when the model itself is the layer."""
        return self.names[0] or "(the model)"

    @property
    def handler(self) -> Handler | str:
        """How it is mapped, or why it cannot be."""
        return self.obstacle or handler_of(self.module)


@dataclass(frozen=True)
class Selected:
    """A layer to be mapped."""

    name: str
    module: nn.Module
    handler: Handler
    hardware: Hardware
    owner: Unopened | None


@dataclass(frozen=True)
class Survey:
    """What a selection means for a model.

    Attributes:
        selected: the layers to be mapped, in the order of the model.
        problems: why they cannot be mapped as asked.
        passed_over: layers that were swept in with all others and cannot be mapped: names and reasons.
    """

    selected: tuple[Selected, ...]
    problems: tuple[str, ...]
    passed_over: tuple[tuple[str, str], ...]


def weighted_modules(model: nn.Module) -> list[Weighted]:
    """Modules that hold a weight of two or more axes themselves, with every name they go by.

    Of a composite layer, such as ``nn.MultiheadAttention``, these are the parts that it will have once opened.
    """
    found: dict[nn.Module, Weighted] = {}
    parts_by_owner: dict[nn.Module, Unopened] = {}

    def add(module: nn.Module, name: str, owner: Unopened | None = None, obstacle: str | None = None) -> None:
        entry = found.setdefault(module, Weighted(module, [], owner, obstacle))
        if name not in entry.names:
            entry.names.append(name)

    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, (parametrize.ParametrizationList, OpenedLayer)):
            continue  # its owner, or its parts, are the layers
        if any(isinstance(p, UninitializedParameter) for p in module.parameters(recurse=False)):
            raise ConversionError(f"layer {name!r} has no weights yet (lazy module); run the model once first")
        composite = parts_of(module)
        if isinstance(composite, str):
            add(module, name, obstacle=composite)
            for child_name, child in module.named_modules():
                if child is not module and _holds_weight(child):
                    add(child, f"{name}.{child_name}".lstrip("."), obstacle=f"its owner {name!r}: {composite}")
        elif composite is not None:
            kind, parts = composite
            owner = parts_by_owner.setdefault(module, Unopened(module, kind, parts))
            for part_name, part in owner.parts.items():
                add(part, f"{name}.{part_name}".lstrip("."), owner=owner)
        elif _holds_weight(module):
            add(module, name)
    return list(found.values())


def _holds_weight(module: nn.Module) -> bool:
    own = any(p.dim() > 1 for p in module.parameters(recurse=False))
    return own or isinstance(module, Projection) or parametrize.is_parametrized(module)


def digital_reason(layer: Weighted) -> str:
    """Why a weighted module of a chip is not on a crossbar."""
    handler = layer.handler
    if isinstance(handler, Handler):
        return handler.on_request or "not selected"
    if isinstance(layer.module, _NO_PRODUCT):
        return f"{type(layer.module).__name__} multiplies no vector by a matrix"
    return handler


def survey(model: nn.Module, hardware: HardwareChoice, layers: Layers) -> Survey:
    """What a selection means, without touching the model.

    Args:
        model: any module.
        hardware: one chip for all, or a mapping of name patterns to chips, ``None`` meaning digital; the last
            pattern that matches a layer counts, and layers that match none stay digital.
        layers: name patterns (``fnmatch``), or a predicate ``(name, module) -> bool``; all by default.

    Raises:
        ConversionError: what was given is no model, no hardware or no pattern at all.
    """
    if not isinstance(model, nn.Module):
        raise ConversionError(f"expected a torch.nn.Module, got {type(model).__name__}")
    if any(isinstance(module, CrossbarLayer) for module in model.modules()):
        raise ConversionError("this model runs on a chip already; start again from the digital model")
    weighted = weighted_modules(model)
    names = [name for layer in weighted for name in layer.names]
    problems = _unmatched(layers, hardware, names, [name for name, _ in model.named_modules(remove_duplicate=False)])
    chosen: list[Selected] = []
    passed_over: list[tuple[str, str]] = []
    for layer in weighted:
        asked = [_asked(alias, layer.module, layers) for alias in layer.names]
        chips = [_chip(alias, hardware) for alias in layer.names]
        chip, by_name = chips[-1]
        if any(other != chip for other, _ in chips):
            problems.append(
                f"layer {layer.name!r} goes by the names {layer.names}, and these are to run on different hardware"
            )
            continue
        if not any(want for want, _ in asked) or chip is None:
            continue
        explicit = by_name or any(precise for _, precise in asked)
        # Of layers that multiply nothing, a pattern for many means the others.
        exactly = any(alias in _patterns(layers) or alias in _hardware_patterns(hardware) for alias in layer.names)
        handler = layer.handler
        if isinstance(handler, Handler):
            if handler.on_request is None or exactly or callable(layers):
                chosen.append(Selected(layer.name, layer.module, handler, chip, layer.owner))
        elif explicit and (not isinstance(layer.module, _NO_PRODUCT) or exactly):
            problems.append(f"layer {layer.name!r} cannot be mapped: {handler}; leave it out of the selection")
        elif not isinstance(layer.module, _NO_PRODUCT):
            passed_over.append((layer.name, handler))
    problems += _tied(chosen)
    if not chosen and not problems:
        kinds = sorted({type(layer.module).__name__ for layer in weighted})
        problems.append(
            f"there is no layer to map: memrix maps {', '.join(registered_layers())}, and "
            f"{'the selection holds none of those' if names else 'this model has no weighted layer'}"
            + (f" (weighted layers of the model: {', '.join(kinds)})" if kinds else "")
        )
    return Survey(tuple(chosen), tuple(problems), tuple(passed_over))


def select(model: nn.Module, hardware: HardwareChoice, layers: Layers) -> list[Selected]:
    """The layers to be mapped, as ``survey`` finds them.

    Raises:
        ConversionError: nothing can be mapped, a pattern matches nothing, a selected layer cannot be mapped, or
            the model is on a chip already. Every problem is listed.
    """
    found = survey(model, hardware, layers)
    if found.problems:
        raise ConversionError("the layers cannot be mapped as asked:\n  " + "\n  ".join(found.problems))
    if found.passed_over:
        listed = ", ".join(f"{name!r} ({reason})" for name, reason in found.passed_over)
        warnings.warn(
            f"these weighted layers stay digital: {listed}; select the others by name to make this explicit",
            CoverageWarning,
            stacklevel=3,
        )
    return list(found.selected)


def open_owners(selected: Iterable[Selected]) -> None:
    """Open, in place, the composite layers that selected layers are parts of."""
    for layer in selected:
        if layer.owner is not None:
            layer.owner.open_()


def weights_not_finite(selected: Iterable[Selected]) -> list[str]:
    """Names of the layers whose parameters hold NaN or infinite values."""
    return [
        layer.name
        for layer in selected
        if not all(
            bool(torch.isfinite(p).all())
            for p in (layer.module.weight, getattr(layer.module, "bias", None))
            if isinstance(p, torch.Tensor)
        )
    ]


def require_finite_weights(selected: Iterable[Selected]) -> None:
    """Raise NumericsError that names the layers whose parameters are not finite."""
    broken = weights_not_finite(selected)
    if broken:
        raise NumericsError(
            f"the parameters of these layers hold NaN or infinite values: {', '.join(broken)}; "
            f"a chip can hold finite weights only: load or train the model again"
        )


def _tied(chosen: list[Selected]) -> list[str]:
    """Layers of one weight: cells hold it for one of them."""
    holders: dict[int, list[str]] = {}
    for layer in chosen:
        weight = layer.module._parameters.get("weight")
        if weight is not None:
            holders.setdefault(id(weight), []).append(layer.name)
    return [
        f"layers {' and '.join(map(repr, names))} share one weight, and each would write it to cells of its own, "
        f"which from then on differ; give all but one a copy of the weight, or leave them out of the selection"
        for names in holders.values()
        if len(names) > 1
    ]


def _patterns(layers: Layers) -> list[str]:
    if layers is None or callable(layers):
        return []
    return [layers] if isinstance(layers, str) else list(layers)


def _hardware_patterns(hardware: HardwareChoice) -> list[str]:
    return [] if isinstance(hardware, Hardware) else list(hardware)


def _asked(name: str, module: nn.Module, layers: Layers) -> tuple[bool, bool]:
    """Whether a layer is selected, and whether it was singled out rather than swept in with all."""
    if layers is None:
        return True, False
    if callable(layers):
        return bool(layers(name, module)), True
    matching = [pattern for pattern in _patterns(layers) if fnmatch.fnmatchcase(name, pattern)]
    return bool(matching), any(pattern != _EVERYTHING for pattern in matching)


def _chip(name: str, hardware: HardwareChoice) -> tuple[Hardware | None, bool]:
    """The chip of a layer, and whether a pattern singled it out."""
    if isinstance(hardware, Hardware):
        return hardware, False
    matching = [pattern for pattern in hardware if fnmatch.fnmatchcase(name, pattern)]
    return (hardware[matching[-1]], matching[-1] != _EVERYTHING) if matching else (None, False)


def _unmatched(layers: Layers, hardware: HardwareChoice, names: list[str], containers: list[str]) -> list[str]:
    if not isinstance(hardware, (Hardware, Mapping)):
        raise ConversionError(
            f"expected a memrix.Hardware or a mapping of name patterns to Hardware, got {type(hardware).__name__}; "
            f"for example memrix.Hardware.preset('paper')"
        )
    patterns = _patterns(layers) + _hardware_patterns(hardware)
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise ConversionError(f"a layer pattern must be a string, got {pattern!r}")
    if isinstance(hardware, Mapping):
        for pattern, chip in hardware.items():
            if chip is not None and not isinstance(chip, Hardware):
                raise ConversionError(f"pattern {pattern!r} must map to a memrix.Hardware or None, got {chip!r}")
    problems = []
    for pattern in patterns:
        if fnmatch.filter(names, pattern) or pattern == _EVERYTHING:
            continue
        if fnmatch.filter(containers, pattern):
            problems.append(
                f"pattern {pattern!r} matches modules, but none that holds a weight itself; {pattern + '.*'!r} "
                f"matches the layers inside"
            )
        else:
            problems.append(f"pattern {pattern!r} matches no layer of the model{closest(pattern, names)}")
    return problems
