"""Which layers of a model are meant, on which hardware, and why the others stay digital."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize

from memrix.errors import ConversionError, CoverageWarning
from memrix.hardware import Hardware
from memrix.nn.base import CrossbarLayer
from memrix.nn.registry import Handler, handler_of
from memrix.records import closest

Layers = str | Sequence[str] | Callable[[str, nn.Module], bool] | None
HardwareChoice = Hardware | Mapping[str, Hardware | None]

# Their parameters multiply no vector: there is nothing to map.
_NO_PRODUCT = (nn.Embedding, nn.EmbeddingBag, nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)
_EVERYTHING = "*"


@dataclass(frozen=True)
class Selected:
    """A layer to be mapped."""

    name: str
    module: nn.Module
    handler: Handler
    hardware: Hardware


def display_name(name: str) -> str:
    """A module's name, also when the model itself is the layer."""
    return name or "(the model)"


def weighted_modules(model: nn.Module) -> dict[nn.Module, list[str]]:
    """Modules that hold a weight of two or more axes themselves, with every name they go by."""
    found: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, parametrize.ParametrizationList):
            continue  # its owner is the layer
        if any(isinstance(p, UninitializedParameter) for p in module.parameters(recurse=False)):
            raise ConversionError(f"layer {name!r} has no weights yet (lazy module); run the model once first")
        own = any(p.dim() > 1 for p in module.parameters(recurse=False))
        if own or parametrize.is_parametrized(module):
            found.setdefault(module, []).append(name)
    return found


def digital_reason(module: nn.Module) -> str:
    """Why a weighted module of a chip is not on a crossbar."""
    if isinstance(module, _NO_PRODUCT):
        return f"{type(module).__name__} multiplies no vector by a matrix"
    handler = handler_of(module)
    return handler if isinstance(handler, str) else "not selected"


def select(model: nn.Module, hardware: HardwareChoice, layers: Layers) -> list[Selected]:
    """The layers to be mapped, in the order of the model.

    Args:
        model: any module.
        hardware: one chip for all, or a mapping of name patterns to chips, ``None`` meaning digital; the last
            pattern that matches a layer counts, and layers that match none stay digital.
        layers: name patterns (``fnmatch``), or a predicate ``(name, module) -> bool``; all by default.

    Raises:
        ConversionError: nothing can be mapped, a pattern matches nothing, a selected layer cannot be mapped, or
            the model is on a chip already. Every problem is listed.
    """
    if not isinstance(model, nn.Module):
        raise ConversionError(f"expected a torch.nn.Module, got {type(model).__name__}")
    if any(isinstance(module, CrossbarLayer) for module in model.modules()):
        raise ConversionError("this model runs on a chip already; start again from the digital model")
    weighted = weighted_modules(model)
    names = [name for aliases in weighted.values() for name in aliases]
    problems = _unmatched(layers, hardware, names, [name for name, _ in model.named_modules(remove_duplicate=False)])
    chosen: list[Selected] = []
    passed_over: list[str] = []
    for module, aliases in weighted.items():
        name = display_name(aliases[0])
        asked = [_asked(alias, module, layers) for alias in aliases]
        chips = [_chip(alias, hardware) for alias in aliases]
        chip, by_name = chips[-1]
        if any(other != chip for other, _ in chips):
            problems.append(f"layer {name!r} goes by the names {aliases}, and these are to run on different hardware")
            continue
        if not any(want for want, _ in asked) or chip is None:
            continue
        explicit = by_name or any(precise for _, precise in asked)
        handler = handler_of(module)
        if isinstance(handler, Handler):
            chosen.append(Selected(name, module, handler, chip))
        elif explicit and (not isinstance(module, _NO_PRODUCT) or _named_exactly(aliases, layers)):
            problems.append(f"layer {name!r} cannot be mapped: {handler}; leave it out of the selection")
        elif not isinstance(module, _NO_PRODUCT):
            passed_over.append(f"{name!r} ({handler})")
    if problems:
        raise ConversionError("the layers cannot be mapped as asked:\n  " + "\n  ".join(problems))
    if not chosen:
        kinds = sorted({type(module).__name__ for module in weighted})
        raise ConversionError(
            f"there is no layer to map: memrix maps nn.Linear and nn.Conv1d, and "
            f"{'the selection holds none of those' if names else 'this model has no weighted layer'}"
            + (f" (weighted layers of the model: {', '.join(kinds)})" if kinds else "")
        )
    if passed_over:
        warnings.warn(
            f"these weighted layers stay digital: {', '.join(passed_over)}; "
            f"select the others by name to make this explicit",
            CoverageWarning,
            stacklevel=3,
        )
    return chosen


def _patterns(layers: Layers) -> list[str]:
    if layers is None or callable(layers):
        return []
    return [layers] if isinstance(layers, str) else list(layers)


def _named_exactly(aliases: list[str], layers: Layers) -> bool:
    return any(alias in _patterns(layers) for alias in aliases)


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
    patterns = _patterns(layers) + ([] if isinstance(hardware, Hardware) else list(hardware))
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
