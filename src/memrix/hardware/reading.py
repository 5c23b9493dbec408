"""A description of a chip as a table, as in its TOML and JSON files, and back; all problems of one are told at once.

Everything takes the class of the description, which imports this module.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memrix._support.building import build
from memrix._support.documents import file_path, load_tree, parse_json, parse_toml
from memrix._support.records import merged, nested, toml
from memrix._support.renamed import in_present_names
from memrix._support.validation import shown
from memrix._support.wording import listing
from memrix.crossbar import ProgrammingProtocol, ResetSet
from memrix.crossbar.protocols import PROTOCOLS, protocol_name
from memrix.crossbar.protocols.registry import require_registered, unknown_protocol
from memrix.errors import SettingsError
from memrix.hardware.parts import PARTS, settings_of

if TYPE_CHECKING:
    from memrix.hardware.description import Hardware


def to_table(hardware: Hardware) -> dict[str, Any]:
    """Plain numbers, strings and tables of these."""
    plain = dataclasses.asdict(hardware)
    plain["programming"] = {"protocol": hardware.programming.name, **plain["programming"]}
    layers = plain.pop("layers")
    return {**plain, "layers": layers.to_tables()} if layers else plain


def from_table(kind: type[Hardware], settings: dict[str, Any], base: Hardware | None) -> Hardware:
    """The chip of a table whose dotted names reach inside; what it does not say is as in ``base``, or the default.

    Raises:
        SettingsError: lists every unknown setting and wrong value at once.
    """
    tables = in_present_names(kind, _tables(settings))
    for name in PARTS:
        # Which protocol a table of programming is for shows when it has been merged.
        if name != "programming" and isinstance(tables.get(name), dict):
            tables[name] = in_present_names(PARTS[name], tables[name])
    plain = tables if base is None else merged(to_table(base), tables, unless="protocol")
    problems: list[str] = []
    hardware = build_hardware(kind, plain, problems, complete=False)
    if problems or hardware is None:
        raise SettingsError(f"this hardware description cannot be used:{listing(problems)}")
    return hardware


def build_hardware(
    kind: type[Hardware], plain: dict[str, Any], problems: list[str], *, complete: bool
) -> Hardware | None:
    """The chip of a table of tables, or None; what is wrong is added to ``problems``."""
    before = len(problems)
    settings = {"layers": {}, **plain}
    if "programming" in settings or not complete:
        settings["programming"] = _built_protocol(settings.get("programming", {}), problems, complete=complete)
    for name in PARTS:
        if name in settings and name != "programming":
            settings[name] = build(PARTS[name], settings[name], name, problems, complete=complete)
    made = {name: value for name, value in settings.items() if name not in PARTS or value is not None}
    hardware = build(kind, made, "", problems, complete=complete and len(made) == len(settings))
    return None if len(problems) > before else hardware


def of_layers(hardware: Hardware, patterns: Sequence[str]) -> Hardware | None:
    """The chip of the layers that these patterns of ``layers`` match, in order; None: they stay digital.

    Raises:
        SettingsError: these layers cannot have such a chip.
    """
    changes: dict[str, Any] = {}
    for pattern in patterns:
        of_pattern = hardware.layers[pattern]
        if isinstance(of_pattern, str):
            return None
        changes |= of_pattern
    others = hardware.replace(layers={}) if hardware.layers else hardware
    try:
        return from_table(type(hardware), changes, others) if changes else others
    except SettingsError as error:
        raise SettingsError(f"layers {', '.join(map(repr, patterns))}: {error}") from error


def write_file(hardware: Hardware, path: str | Path) -> None:
    """Write a ``.toml`` or ``.json`` file.

    Raises:
        SettingsError: the file has another ending, or cannot be written; or ``load`` could not read it, because the
            protocol is not registered or has a setting that is not of its type.
    """
    path = hardware_path(path)
    if path.suffix not in (".json", ".toml"):
        raise SettingsError(f"a hardware description is saved as .toml or .json, got {str(path)!r}")
    require_restorable(hardware.programming)
    table = to_table(hardware)
    try:
        path.write_bytes((toml(table) if path.suffix == ".toml" else json.dumps(table, indent=2) + "\n").encode())
    except OSError as error:
        raise SettingsError(f"{str(path)!r} cannot be written ({error.strerror}); name another place") from error
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"TOML holds text that is valid Unicode, got {error.object[error.start : error.end]!r} in it; "
            f"save as .json, or rename what {hardware.device.parameters!r} names"
        ) from error


def read_file(kind: type[Hardware], path: str | Path) -> Hardware:
    """The chip of a ``.toml`` or ``.json`` file.

    Raises:
        SettingsError: the file is missing or damaged, or lists every setting that is wrong.
    """
    path = hardware_path(path)
    parse = parse_toml if path.suffix == ".toml" else parse_json
    fix = f"write one with Hardware.preset('paper').save({str(path)!r})"
    settings = load_tree(path, parse, "the hardware description", SettingsError, fix)
    try:
        return from_table(kind, settings, None)
    except SettingsError as error:
        raise SettingsError(f"{str(path)!r}: {error}") from error


def hardware_path(path: str | Path) -> Path:
    """A path that the file system can be asked for.

    Raises:
        SettingsError: it is none.
    """
    what = "a hardware description is named by a preset or by the path of a file; it"
    return file_path(path, SettingsError, what)


def _tables(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with a table for every part that is named or reached into."""
    if not isinstance(settings, dict):
        raise SettingsError(f"a hardware description must be a table of settings, got {shown(settings)}")
    programming = settings.get("programming")
    return nested(
        {**settings, "programming": {"protocol": programming}} if isinstance(programming, str) else settings
    )


def require_restorable(protocol: ProgrammingProtocol) -> None:
    """Raise SettingsError where a file that names a protocol and its settings would not give it back."""
    require_registered(protocol)
    problems: list[str] = []
    settings = {name: getattr(protocol, name) for name in settings_of(protocol)}
    again = build(type(protocol), settings, "programming", problems, complete=True)
    if problems or again != protocol:
        told = "\n  ".join(problems or [f"its settings would come back as {again}"])
        raise SettingsError(f"protocol {protocol.name!r} cannot be written to a file:\n  {told}")


def _built_protocol(table: object, problems: list[str], *, complete: bool) -> ProgrammingProtocol | None:
    if not isinstance(table, dict):
        problems.append(f"programming must be a protocol's name or a table, got {shown(table)}")
        return None
    name = table.get("protocol", None if complete else ResetSet.name)
    name = protocol_name(name) if isinstance(name, str) else name
    if not isinstance(name, str) or name not in PROTOCOLS:
        problems.append(unknown_protocol("programming.protocol", name))
        return None
    rest = {key: value for key, value in table.items() if key != "protocol"}
    return build(PROTOCOLS[name], rest, "programming", problems, complete=complete)
