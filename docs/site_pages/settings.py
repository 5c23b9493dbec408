"""Pages of every setting of a chip, from the dataclasses and their docstrings, and of the presets."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from memrix import Hardware
from memrix._support.preset_names import PRESETS, preset_file
from memrix.crossbar.protocols import PROTOCOLS
from memrix.hardware.parts import PARTS

_UNITS = r"(?:eV|V|s|K|Hz|LSB|ohm|J|A)"
_UNIT_PATTERNS = (
    (rf"\bin ({_UNITS})\b", 1),
    (rf"^({_UNITS})\.$", 1),
    (r"\b(share)s?\b", "share"),
    (r"^bits\b|\bbits of\b|number of bits", "bits"),
    (r"\bfactor\b|\bexponent\b", "1"),
)
_PLAIN = "1"
_NO_UNIT = ""

_INTRODUCTION = """# Every hardware setting

Settings of `memrix.Hardware`, generated from its classes. `hardware.replace(**{"adc.range_bits": 6})` changes one,
`print(hardware)` shows all, and a TOML or JSON file has the same names: `[adc]`, `range_bits = 6`. A value that is
not valid raises `memrix.SettingsError`, which says what is allowed. Units: V, s, K, Hz, ohm and eV as usual; *LSB* is
one converter step behind the gain; a *share* is a part of 1; *1* is a number without a unit.
The [glossary](../glossary.md) defines the terms, and [Presets](presets.md) has a file of each preset.
"""

_PRESETS = """# Presets

`memrix.Hardware.preset("tuned")` gives a preset by its name. Copy a file, change it, and read it by
`memrix.Hardware.load("mychip.toml")`, or name it on the command line. Settings that a file leaves out have their
[defaults](settings.md).

"""


def settings_page(problems: list[str]) -> str:
    """A table of every setting with its type, unit, default and effect, and one of what presets change.

    Args:
        problems: a line for each setting whose docstring does not say its effect or its unit is added to it.
    """
    parts = [name for name in PARTS if name != "programming"]
    text = [_INTRODUCTION, *_section("The chip", "", Hardware, problems, without=list(PARTS))]
    for name in parts:
        text += _section(f"`{name}`: {PARTS[name].__name__}", f"{name}.", PARTS[name], problems)
    text += ["## `programming`: protocols\n", "A protocol is named by `programming.protocol`, or is an object.\n"]
    for name, protocol in PROTOCOLS.items():
        text += _section(f"`{name}`: {protocol.__name__}", "programming.", protocol, problems, level=3)
    return "\n".join([*text, *_differences()])


def presets_page() -> str:
    """The files of the presets."""
    files = [f"## {name}\n\n```toml\n{Path(preset_file(name)).read_text(encoding='utf-8')}```\n" for name in PRESETS]
    return _PRESETS + "\n".join(files)


def _section(
    title: str, prefix: str, kind: type[Any], problems: list[str], without: list[str] | None = None, level: int = 2
) -> Iterator[str]:
    effects, hints = effects_of(kind), get_type_hints(kind)
    yield f"{'#' * level} {title}\n"
    yield _code(inspect.getdoc(kind).split("\n\n")[0].replace("\n", " ")) + "\n"
    yield '<div class="settings" markdown>\n'
    yield "| setting | type | unit | default | effect |"
    yield "| --- | --- | --- | --- | --- |"
    for field in dataclasses.fields(kind):
        if field.name in (without or []):
            continue
        name, effect = prefix + field.name, effects.get(field.name, "")
        unit = _unit(hints[field.name], effect)
        if not effect or unit is None:
            problems.append(
                f"{kind.__name__}.{field.name}: its docstring has no {'unit' if effect else 'text'}; "
                f"say 'in V' (s, K, Hz, eV, ohm, LSB), 'as a share' or 'bits of ...'"
            )
        cells = [f"`{name}`", _type(hints[field.name]), unit or "", _default(field), _code(effect)]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield "\n</div>\n"


def effects_of(kind: type[Any]) -> dict[str, str]:
    """What the docstring of a dataclass says about each of its fields, each in one line."""
    text = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    found = re.findall(r"(?m)^    (\w+): ((?:.*)(?:\n {8}.*)*)", text)
    return {name: re.sub(r"\s+", " ", effect).strip() for name, effect in found}


def _unit(hint: object, effect: str) -> str | None:
    """The unit that the text about a setting says; None: a number about which it says none."""
    kinds = {get_origin(hint) or hint, *(get_args(hint) if get_origin(hint) in (Union, types.UnionType) else ())}
    if not kinds & {int, float}:
        return _NO_UNIT
    for pattern, unit in _UNIT_PATTERNS:
        if found := re.search(pattern, effect):
            return found[unit] if isinstance(unit, int) else unit
    return _PLAIN if int in kinds else None


def _type(hint: object) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(hint))
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_type(part) for part in get_args(hint))
    names = {int: "integer", float: "number", bool: "`true` or `false`", str: "text", type(None): "none"}
    return names.get(hint, "table by name pattern")


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if value is dataclasses.MISSING:
        return "none"
    return "none" if value is None else f"`{str(value).lower() if isinstance(value, bool) else _number(value)}`"


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _code(text: str) -> str:
    return text.replace("``", "`")


def _differences() -> Iterator[str]:
    """Settings that a preset has other than by default."""
    default = dict(_flat(Hardware().to_dict()))
    chips = {name: dict(_flat(Hardware.preset(name).to_dict())) for name in PRESETS}
    names = list(dict.fromkeys(name for chip in chips.values() for name in chip if chip[name] != default.get(name)))
    yield "## What presets change\n"
    yield "Settings that a preset has other than by default; an empty cell is the default.\n"
    yield "| setting | default | " + " | ".join(f"`{name}`" for name in chips) + " |"
    yield "| --- " * (len(chips) + 2) + "|"
    for name in names:
        cells = [
            _value(chip[name]) if name in chip and chip[name] != default.get(name) else "" for chip in chips.values()
        ]
        yield f"| `{name}` | {_value(default[name]) if name in default else ''} | " + " | ".join(cells) + " |"


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _value(value: object) -> str:
    return "none" if value is None else f"`{str(value).lower() if isinstance(value, bool) else _number(value)}`"
