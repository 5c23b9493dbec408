"""Training settings as tables: recipes of memrix by name, and files of users."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from memrix.errors import SettingsError
from memrix.toolkit import closest, file_path, parse_toml, read_text, shown

_TOML = ".toml"
_EXPERIMENT = "experiment"


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes of memrix."""
    return tuple(sorted(Path(item.name).stem for item in _recipes().iterdir() if item.name.endswith(_TOML)))


def read_settings(name_or_file: str | Path) -> tuple[dict[str, Any], str]:
    """The training of a recipe or of a TOML file as a table, and how to call it in a message. A file wins.

    Raises:
        SettingsError: there is neither, or the file cannot be read or is not valid TOML.
    """
    table, source = _read(name_or_file)
    return {name: value for name, value in table.items() if name != _EXPERIMENT}, source


def read_experiment(name_or_file: str | Path) -> dict[str, Any]:
    """What a recipe or file says of the experiment around its training: its corpus, and the table ``[experiment]``.

    Hardware is a list of names, or a table of names with what they stand for: a preset or file, or a table with a
    ``preset`` and what differs from it.

    Raises:
        SettingsError: there is no such recipe or file, or this table cannot be used.
    """
    return experiment_in(*_read(name_or_file))


def experiment_in(table: dict[str, Any], source: str) -> dict[str, Any]:
    """The same of a table that has been read, and how to call it in a message.

    Raises:
        SettingsError: the table ``[experiment]`` cannot be used.
    """
    given = table.get(_EXPERIMENT, {})
    if not isinstance(given, dict):
        raise SettingsError(f"{source}: {_EXPERIMENT} must be a table of settings, got {shown(given)}")
    found = {"corpus": table["corpus"]} if isinstance(table.get("corpus"), str) else {}
    found |= {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    if isinstance(hardware := given.get("hardware"), dict):
        from memrix.asr.training.settings import hardware_of  # imports torch

        found["hardware_names"] = tuple(hardware)
        found["hardware"] = tuple(
            value if isinstance(value, str) else hardware_of(value) for value in hardware.values()
        )
    return found


def _read(name_or_file: str | Path) -> tuple[dict[str, Any], str]:
    """A recipe or TOML file, and how to call it in a message."""
    path = file_path(name_or_file, SettingsError, "the path of settings")
    name = str(path)
    if name in recipe_names() and not path.is_file():
        return tomllib.loads((_recipes() / f"{name}{_TOML}").read_text(encoding="utf-8")), f"the recipe {name!r}"
    source = f"the settings {name!r}"
    try:
        return parse_toml(read_text(path)), source
    except FileNotFoundError as error:
        known = recipe_names()
        meant = f" (did you mean {path.stem!r}?)" if path.stem in known else closest(name, known)
        raise SettingsError(
            f"{source} cannot be read: there is no such file, nor a recipe of that name{meant}; name a TOML file or "
            f"one of the recipes {', '.join(known)}"
        ) from error
    except OSError as error:
        raise SettingsError(f"{source} cannot be read ({error.strerror}); name a TOML file") from error
    except ValueError as error:
        raise SettingsError(f"{source} are not valid TOML: {error}") from error


def _recipes() -> Traversable:
    return files("memrix.asr") / "configs"
