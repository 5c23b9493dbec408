"""Which columns of a file hold what: names of the user's own, and units in the names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from memrix._support.records import closest
from memrix.device.fitting.layout import COLUMNS, EXAMPLE, FEATURE_COLUMNS, LOOP_COLUMNS, UNITS
from memrix.errors import DataError

_WITH_UNIT = re.compile(r"(?P<name>.*?)\s*[(\[](?P<unit>[^)\]]*)[)\]]\s*")
_SUFFIX = re.compile(r"(?P<name>.+)_(?P<unit>[^_]+)")
_PREFIXES = {"p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_BASES = {"V": ("V", "volt", "volts"), "A": ("A", "amp", "ampere", "amps"), "ohm": ("ohm", "ohms")}
# A resistance of milliohms, and a voltage of megavolts, are a capital letter gone wrong rather than meant.
_POSSIBLE = {"V": ("u", "m", "", "k"), "A": ("p", "n", "u", "m", ""), "ohm": ("", "k", "M", "G")}
# Two letters of Unicode for micro, and two for ohm.
_SIGNS = str.maketrans({"\u00b5": "u", "\u03bc": "u", "\u03a9": "ohm", "\u2126": "ohm"})
_LONGEST = 200  # characters of the names that a message shows
_KNOWN = tuple(dict.fromkeys((*COLUMNS, *LOOP_COLUMNS)))


@dataclass(frozen=True)
class Column:
    """A column of a file that means something.

    Attributes:
        number: of the column in the file, from 0.
        heading: its name in the file.
        name: what it holds.
        factor: from its unit to V, A or ohm.
    """

    number: int
    heading: str
    name: str
    factor: float


def parse_renames(texts: Iterable[str]) -> dict[str, str]:
    """Names in a file and what they stand for, from texts such as ``"Vset (V)=U_set,cell=device"``.

    Raises:
        DataError: a text that is no such pair, or a name given twice.
    """
    renames: dict[str, str] = {}
    for text in texts:
        pending = ""
        for part in text.split(","):
            # A comma may belong to a name: "Vset, V=U_set".
            pending = f"{pending},{part}" if pending else part
            if "=" not in part:
                continue
            heading, _, name = (piece.strip() for piece in pending.rpartition("="))
            if not heading or not name or heading in renames:
                raise DataError(
                    f"--columns takes the name in the file and what it stands for, each once, such as "
                    f'"Vset (V)=U_set", got {text!r}'
                )
            renames[heading], pending = name, ""
        if pending.strip():
            raise DataError(
                f'--columns takes the name in the file and what it stands for, such as "Vset (V)=U_set", got {text!r}'
            )
    return renames


def find_columns(header: Sequence[str], renames: Mapping[str, str], where: str) -> list[Column]:
    """The columns that mean something, in the order of the file.

    A unit stands in brackets behind the name, or behind an underscore: ``R_HRS (kohm)``, ``U_set_mV``.

    Args:
        header: names in the file.
        renames: what names in the file stand for; ``U_set (mV)`` gives a unit too.
        where: the file and line, for messages.

    Raises:
        DataError: every name that is twice there, every unit that is unknown or fits no such quantity, every rename
            of a column that is not there or to one that means nothing.
    """
    problems = [
        f"there is no column {heading!r} that could be {name}{closest(heading, header)}"
        for heading, name in renames.items()
        if heading not in header
    ]
    columns = []
    for number, heading in enumerate(header):
        meaning = _meaning(heading, renames.get(heading), problems)
        if meaning is not None:
            columns.append(Column(number, heading, *meaning))
    for name in dict.fromkeys(column.name for column in columns):
        same = [repr(column.heading) for column in columns if column.name == name]
        if len(same) > 1:
            problems.append(f"there is more than one column {name}: {', '.join(same)}; keep one of them")
    if len(problems) == 1:
        raise DataError(f"{where}: {problems[0]}")
    if problems:
        raise DataError(f"{where}: the columns cannot be used:\n  " + "\n  ".join(problems))
    return columns


def missing_columns(header: Sequence[str], found: Iterable[str], needed: Iterable[str], where: str) -> DataError:
    """The error of a file without columns that are needed: their nearest names, and the two layouts."""
    found = set(found)
    spare = [heading for heading in header if heading and _split(heading)[0] not in found]
    lines = [f"there is no column {name!r}{closest(name, spare)}" for name in needed if name not in found]
    shown = ", ".join(header)
    lines += [
        'names of your own are given by --columns "Vset (V)=U_set"',
        f"measured I-V loops have the columns {','.join(LOOP_COLUMNS)}",
        f"the layout is {','.join(COLUMNS)}; {EXAMPLE}",
    ]
    return DataError(
        f"{where}: the columns are {shown if len(shown) < _LONGEST else shown[:_LONGEST] + '...'}:\n  "
        + "\n  ".join(lines)
    )


def _meaning(heading: str, renamed: str | None, problems: list[str]) -> tuple[str, float] | None:
    """What a column holds and the factor of its unit, or None for a column of something else."""
    if renamed is None:
        name, unit = _split(heading)
        if name is None:
            return None
    else:
        name, unit = _split(renamed)
        if name is None:
            problems.append(f"{heading!r} cannot be {renamed!r}{closest(renamed, _KNOWN)}: give {', '.join(_KNOWN)}")
            return None
        if unit is None:
            bracketed = _WITH_UNIT.fullmatch(heading)
            unit = bracketed["unit"] if bracketed else None
    if unit is None or name not in UNITS:
        return name, 1.0
    factor = _factor(unit, UNITS[name])
    if factor is None:
        units = ", ".join(prefix + UNITS[name] for prefix in _POSSIBLE[UNITS[name]])
        problems.append(f"the unit {unit!r} of {heading!r} is none of {units}: write the one that it is")
        return None
    return name, factor


def _split(text: str) -> tuple[str | None, str | None]:
    """What a column holds by its name, and its unit; None where there is none."""
    text = text.strip()
    if (name := _canonical(text)) is not None:
        return name, None
    if (bracketed := _WITH_UNIT.fullmatch(text)) and (name := _canonical(bracketed["name"])) is not None:
        return name, bracketed["unit"].strip()
    if (suffixed := _SUFFIX.fullmatch(text)) and (name := _canonical(suffixed["name"])) is not None:
        # Behind an underscore stands a unit, or the name goes on: I_mA, I_compliance.
        unit = suffixed["unit"]
        if name in UNITS and _factor(unit, UNITS[name]) is not None:
            return name, unit
    return None, None


def _canonical(text: str) -> str | None:
    """The name of a column whatever its letters' case."""
    return next((name for name in _KNOWN if name.lower() == text.strip().lower()), None)


def _factor(unit: str, base: str) -> float | None:
    """From a unit to its base, or None when it may be another one."""
    plain = unit.strip().translate(_SIGNS)
    if not plain:
        return 1.0
    for written in sorted(_BASES[base], key=len, reverse=True):
        if plain.lower().endswith(written.lower()):
            prefix = plain[: len(plain) - len(written)].strip()
            prefix = prefix.lower() if prefix.lower() in ("k", "u", "n", "p") else prefix
            return _PREFIXES[prefix] if prefix in _POSSIBLE[base] else None
    return None


def holds_features(names: Iterable[str]) -> bool:
    """Whether columns are those of switching cycles rather than of loops."""
    return bool(set(names) & {*FEATURE_COLUMNS, "curve"})
