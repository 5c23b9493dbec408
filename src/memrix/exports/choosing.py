"""Layers of a chip by name or pattern."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from memrix._support.records import closest
from memrix._support.tables import listed
from memrix._support.validation import shown
from memrix.errors import SettingsError, WriteError
from memrix.model.conversion import crossbar_layers
from memrix.model.inventory import Candidate, candidate_layers
from memrix.model.patterns import matching
from memrix.nn.crossbar_layer import CrossbarLayer


def chosen_layers(chip: nn.Module, layers: str | Sequence[str] | None) -> dict[str, CrossbarLayer]:
    """Programmed layers by name, in the order of the model.

    Args:
        chip: as ``memrix.program`` gave it.
        layers: name patterns (``fnmatch``); all by default. The exact name of a layer means that layer alone.

    Raises:
        ConversionError: no layer of the model runs on a chip.
        SettingsError: a pattern means no programmed layer.
        WriteError: a weight has changed since it was written.
    """
    programmed, digital = _candidates(chip)
    names = [name for layer in programmed for name in layer.names]
    chosen: set[str] = set()
    for pattern in _patterns(layers):
        found = matching(pattern, names)
        if not found:
            raise SettingsError(_unmatched(pattern, names, digital, chip))
        chosen |= found
    modules = {layer.name: layer.module for layer in programmed if chosen.intersection(layer.names)}
    return _written({name: module for name, module in modules.items() if isinstance(module, CrossbarLayer)})


def chosen_layer(chip: nn.Module, name: str) -> CrossbarLayer:
    """The programmed layer of a name.

    Raises:
        ConversionError: no layer of the model runs on a chip.
        SettingsError: there is no such layer on the chip.
        WriteError: its weight has changed since it was written.
    """
    programmed, digital = _candidates(chip)
    if not isinstance(name, str):
        raise SettingsError(
            f"layer must be the name of a layer, got {shown(name)}; for example {programmed[0].name!r}"
        )
    for layer in programmed:
        if name in (*layer.names, layer.name) and isinstance(layer.module, CrossbarLayer):
            return _written({name: layer.module})[name]
    names = [layer.name for layer in programmed]
    raise SettingsError(_unmatched(name, names, digital, chip))


def _candidates(chip: nn.Module) -> tuple[list[Candidate], list[str]]:
    """Programmed layers, and the names of those that are digital."""
    crossbar_layers(chip)  # an error where there is none
    candidates = candidate_layers(chip)
    programmed = [layer for layer in candidates if isinstance(layer.module, CrossbarLayer)]
    return programmed, [name for layer in candidates if layer not in programmed for name in layer.names]


def _patterns(layers: str | Sequence[str] | None) -> list[str]:
    patterns = ["*"] if layers is None else [layers] if isinstance(layers, str) else layers
    if not isinstance(patterns, (list, tuple)) or not patterns or not all(isinstance(each, str) for each in patterns):
        raise SettingsError(
            f"layers must be a name pattern or a list of them, got {shown(layers)}; for example layers='encoder.*'"
        )
    return list(patterns)


def _unmatched(pattern: str, names: Sequence[str], digital: Sequence[str], chip: nn.Module) -> str:
    known = f"the layers on the chip are {listed(names)}"
    if matching(pattern, digital):
        return f"{pattern!r} is digital, and has no cells; {known}"
    modules = [name for name, _ in chip.named_modules()]
    if pattern in modules and matching(f"{pattern}.*", names):
        return f"{pattern!r} is no layer on the chip, but holds some; give {pattern + '.*'!r} or one of their names"
    return f"{pattern!r} matches no layer on the chip{closest(pattern, names)}; {known}"


def _written(layers: dict[str, CrossbarLayer]) -> dict[str, CrossbarLayer]:
    """The same layers, if their cells hold their weights."""
    changed = [name for name, layer in layers.items() if layer.memrix.programmed.is_outdated(layer.weight)]
    if changed:
        raise WriteError(
            f"the weights of these layers are others than their cells were written from: {listed(changed)}; "
            f"memrix.write(chip, batches) writes them"
        )
    return layers
