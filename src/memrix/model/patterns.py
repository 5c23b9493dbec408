"""Which layers of a model name patterns mean, and on which hardware."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from torch import nn

from memrix._support.records import closest
from memrix.errors import SettingsError
from memrix.hardware import Hardware
from memrix.hardware.layers import DIGITAL

Layers = str | Sequence[str] | Callable[[str, nn.Module], bool] | None
HardwareChoice = Hardware | Mapping[str, Hardware | None]

_EVERYTHING = "*"


class Choice:
    """Layers and hardware that were asked for, held against the names of the layers that there are.

    Args:
        layers: name patterns (``fnmatch``), or a predicate ``(name, module) -> bool``; None: all.
        hardware: one chip for all, or a mapping of name patterns to chips, ``None`` meaning digital.
        names: of the layers.

    Raises:
        SettingsError: what was given is not hardware, or no pattern at all.
    """

    def __init__(self, layers: Layers, hardware: HardwareChoice, names: Sequence[str]) -> None:
        _require_hardware(hardware)
        self._layers, self._hardware, self._names = layers, hardware, names
        self._of_layers = _patterns(layers)
        chips = [hardware] if isinstance(hardware, Hardware) else list(hardware.values())
        self._of_hardware = [] if isinstance(hardware, Hardware) else list(hardware)
        for pattern in (*self._of_layers, *self._of_hardware):
            if not isinstance(pattern, str):
                raise SettingsError(f"a layer pattern must be a string, got {pattern!r}")
        _require_chips(hardware)
        self._of_hardware += [pattern for chip in chips if chip is not None for pattern in chip.layers]
        self._meant = {pattern: matching(pattern, names) for pattern in (*self._of_layers, *self._of_hardware)}

    def asked(self, name: str, module: nn.Module) -> tuple[bool, bool]:
        """Whether a layer is selected, and whether it was singled out rather than swept in with all."""
        if self._layers is None:
            return True, False
        if callable(self._layers):
            return bool(self._layers(name, module)), True
        found = [pattern for pattern in self._of_layers if name in self._meant[pattern]]
        return bool(found), any(pattern != _EVERYTHING for pattern in found)

    def chip(self, name: str) -> tuple[Hardware | None, bool]:
        """The chip of a layer, by the last pattern that means it, and whether that singled it out."""
        chip, pattern = self._asked_chip(name)
        if chip is None:
            return None, pattern not in (None, _EVERYTHING)
        own = self._matching(chip.layers, name)
        return chip.of_layers(*own), any(by not in (None, _EVERYTHING) for by in (pattern, *own))

    def made_digital_by(self, name: str) -> str | None:
        """The pattern of the hardware that makes a layer digital, or None."""
        chip, pattern = self._asked_chip(name)
        if chip is None:
            return pattern
        return next((own for own in self._matching(chip.layers, name) if chip.layers[own] == DIGITAL), None)

    def _asked_chip(self, name: str) -> tuple[Hardware | None, str | None]:
        """The chip by the mapping that was given, and the pattern of it."""
        if isinstance(self._hardware, Hardware):
            return self._hardware, None
        pattern = next(reversed(self._matching(self._hardware, name)), None)
        return (None if pattern is None else self._hardware[pattern]), pattern

    def _matching(self, patterns: Iterable[str], name: str) -> list[str]:
        return [pattern for pattern in patterns if name in self._meant[pattern]]

    def names_exactly(self, name: str) -> bool:
        """Whether a pattern is the name of a layer, letter by letter."""
        return name in self._of_layers or name in self._of_hardware

    def unmatched(self, containers: Sequence[str]) -> list[str]:
        """Patterns that mean no layer, one message each; ``containers``: names of all modules."""
        problems = []
        for pattern in (*self._of_layers, *self._of_hardware):
            if self._meant[pattern] or pattern == _EVERYTHING:
                continue
            literal = _literal_brackets(pattern)
            if literal != pattern and matching(literal, self._names):
                problems.append(
                    f"pattern {pattern!r} matches no layer of the model, because [ begins a set of characters; "
                    f"{literal!r} matches the names that hold the brackets themselves"
                )
            elif matching(pattern, containers):
                problems.append(
                    f"pattern {pattern!r} matches modules, but none that holds a weight itself; "
                    f"{(glob.escape(pattern) if pattern in containers else pattern) + '.*'!r} "
                    f"matches the layers inside"
                )
            else:
                problems.append(f"pattern {pattern!r} matches no layer of the model{closest(pattern, self._names)}")
        return problems


def matching(pattern: str, names: Iterable[str]) -> set[str]:
    """The names that a pattern means: the one that it is, or else all that it matches (``fnmatch``)."""
    known = set(names)
    return {pattern} if pattern in known else {name for name in known if fnmatch.fnmatchcase(name, pattern)}


def _require_hardware(hardware: object) -> None:
    if not isinstance(hardware, (Hardware, Mapping)):
        raise SettingsError(
            f"expected a memrix.Hardware or a mapping of name patterns to Hardware, got {type(hardware).__name__}; "
            f"for example memrix.Hardware.preset('paper')"
        )


def _require_chips(hardware: HardwareChoice) -> None:
    for pattern, chip in () if isinstance(hardware, Hardware) else hardware.items():
        if chip is not None and not isinstance(chip, Hardware):
            raise SettingsError(f"pattern {pattern!r} must map to a memrix.Hardware or None, got {chip!r}")


def _patterns(layers: Layers) -> list[str]:
    if layers is None or callable(layers):
        return []
    # Of what can be read once alone, a second look would find nothing.
    if not isinstance(layers, Collection):
        raise SettingsError(
            f"layers must be a name pattern, a list of them or a predicate (name, module) -> bool, got {layers!r}; "
            f"for example layers=['encoder.*']"
        )
    return [layers] if isinstance(layers, str) else list(layers)


def _literal_brackets(pattern: str) -> str:
    """The pattern for names that hold its brackets: ``[`` alone is special, and ``[[]`` stands for it."""
    return pattern.replace("[", "[[]")
