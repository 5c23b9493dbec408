"""The chips of a sweep: every combination of settings, or those that are listed."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from memrix._support.records import closest
from memrix._support.tables import listed
from memrix._support.validation import shown
from memrix._support.wording import listing
from memrix.errors import SettingsError
from memrix.hardware import Hardware
from memrix.hardware.parts import settings_of
from memrix.model.patterns import HardwareChoice

Settings: TypeAlias = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]
"""Settings of a sweep: lists of values, of which all combinations are meant; or combinations one by one."""

_EXAMPLE = "{'weight_bits': [2, 3, 4], 'adc.range_bits': [4, 6]}"
_OF_A_SWEEP = {"chips": "chips=5", "seed": "seed=0", "seeds": "seed=0"}
_MOST_TOLD = 10


def chips_of(settings: Settings, hardware: HardwareChoice) -> list[tuple[dict[str, Any], HardwareChoice]]:
    """The settings of each chip by dotted names, and its hardware.

    Args:
        settings: of the sweep. A setting that a combination does not name is as in ``hardware``.
        hardware: whose other settings all chips have; of a mapping of name patterns, each is changed alike.

    Raises:
        SettingsError: lists every setting that there is not, with the nearest one, and every combination that is not
            valid.
    """
    found = _combinations(settings)
    names = dict.fromkeys(name for combination in found for name in combination)
    _require_known(list(names), hardware)
    chips: list[tuple[dict[str, Any], HardwareChoice]] = []
    problems: dict[str, list[str]] = {}
    for combination in found:
        try:
            chips.append((_complete(combination, list(names), hardware), _changed(hardware, combination)))
        except SettingsError as error:
            problems.setdefault(str(error), []).append(described(combination))
    if problems:
        told = [f"{listed(where, _MOST_TOLD)}: {problem}" for problem, where in problems.items()]
        raise SettingsError(f"this sweep cannot run:{listing(told)}")
    return chips


def described(settings: Mapping[str, Any]) -> str:
    """Settings in one line."""
    return ", ".join(f"{name}={short(value)}" for name, value in settings.items()) or "as given"


def short(value: object) -> str:
    """A value of a setting in a table; of a part or a protocol what differs from its defaults."""
    if isinstance(value, float):
        return f"{value:g}"
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return str(value)
    name = getattr(value, "name", type(value).__name__)
    changed = [
        f"{field.name}={short(getattr(value, field.name))}"
        for field in dataclasses.fields(value)
        if getattr(value, field.name) != field.default
    ]
    return f"{name}({', '.join(changed)})" if changed else str(name)


def _combinations(settings: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    if isinstance(settings, Mapping):
        found = _product(settings)
    elif isinstance(settings, Sequence) and not isinstance(settings, str) and settings:
        wrong = [each for each in settings if not isinstance(each, Mapping)]
        if wrong:
            raise SettingsError(
                f"a list of settings holds one table for each chip, such as {{'weight_bits': 3}}, got "
                f"{shown(wrong[0])}; for all combinations give one table of lists: {_EXAMPLE}"
            )
        found = [dict(each) for each in settings]
    else:
        raise SettingsError(f"settings must be a table of lists such as {_EXAMPLE}, got {shown(settings)}")
    repeated = [each for number, each in enumerate(found) if each in found[:number]]
    if repeated:
        raise SettingsError(f"these settings are given twice: {described(repeated[0])}; give each once")
    return found


def _product(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    for name, values in settings.items():
        if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, np.ndarray)):
            raise SettingsError(
                f"{shown(name)} must be a list of values, got {shown(values)}; for a single one: "
                f"{{{name!r}: [{shown(values)}]}}"
            )
        if not len(values):
            raise SettingsError(f"{shown(name)} has no value; give at least one, or leave it out")
    return [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]


def _require_known(names: list[Any], hardware: HardwareChoice) -> None:
    """Make sure that settings are there, and that none of them holds another one."""
    chips = _all(hardware)
    if not chips:
        raise SettingsError(
            "no layer is mapped to hardware, so that there is nothing to change; give a memrix.Hardware"
        )
    problems = []
    parts = settings_of(chips[0])
    inside = [f"{part}.{setting}" for part in parts for setting in settings_of(getattr(chips[0], part))]
    for name in names:
        root = name.partition(".")[0] if isinstance(name, str) else None
        if root in _OF_A_SWEEP and root not in parts:
            problems.append(f"{name!r} is no setting of hardware, but an argument of the sweep: {_OF_A_SWEEP[root]}")
        elif root not in parts:
            near = closest(str(name), [*parts, *inside])
            problems.append(f"there is no setting {shown(name)}{near}; the settings are those of memrix.Hardware")
        elif name != root and root in names:
            problems.append(f"{root!r} and {name!r} are both given, and the first holds the second; give one of them")
    if problems:
        raise SettingsError(f"this sweep cannot run:{listing(problems)}")


def _changed(hardware: HardwareChoice, changes: Mapping[str, Any]) -> HardwareChoice:
    if isinstance(hardware, Hardware):
        return hardware.replace(**changes)
    return {pattern: None if chip is None else chip.replace(**changes) for pattern, chip in hardware.items()}


def _complete(settings: Mapping[str, Any], names: list[str], hardware: HardwareChoice) -> dict[str, Any]:
    """Settings under all names of a sweep."""
    return {name: settings[name] if name in settings else _own(hardware, name) for name in names}


def _own(hardware: HardwareChoice, name: str) -> Any:  # noqa: ANN401
    """A setting of the hardware; None where chips differ in it, or do not have it."""
    part, _, setting = name.partition(".")
    values = [getattr(chip, part) for chip in _all(hardware)]
    values = [getattr(value, setting, None) for value in values] if setting else values
    return values[0] if all(value == values[0] for value in values) else None


def _all(hardware: HardwareChoice) -> list[Hardware]:
    return [hardware] if isinstance(hardware, Hardware) else [chip for chip in hardware.values() if chip is not None]
