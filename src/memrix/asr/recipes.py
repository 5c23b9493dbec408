"""Training settings as tables: recipes of memrix by name, and files of users."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from memrix.errors import SettingsError
from memrix.toolkit import closest, file_path, parse_toml, read_text

_TOML = ".toml"


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes of memrix."""
    return tuple(sorted(Path(item.name).stem for item in _recipes().iterdir() if item.name.endswith(_TOML)))


def read_settings(name_or_file: str | Path) -> tuple[dict[str, Any], str]:
    """The table of a recipe or of a TOML file, and how to call it in a message. A file wins over a recipe.

    Raises:
        SettingsError: there is neither, or the file cannot be read or is not valid TOML.
    """
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
