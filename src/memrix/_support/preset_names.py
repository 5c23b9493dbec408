"""Names of the presets and of the device that come with memrix, known before torch is imported."""

from __future__ import annotations

from pathlib import Path

from memrix._support.records import closest
from memrix.errors import SettingsError

_FOLDER = Path(__file__).parents[1] / "hardware" / "presets"

PRESETS = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))
"""What ``Hardware.preset`` takes."""

SYNAPTOGEN = "synaptogen"
"""The measured device."""


def preset_file(name: str) -> Path:
    """The file of a preset."""
    return _FOLDER / f"{name}.toml"


def is_hardware_file(name: str | Path) -> bool:
    """Whether a chip is named by a file of its description, and not by a preset."""
    path = Path(name)
    return path.suffix in (".toml", ".json") or path.is_file()


def unknown_preset(name: object) -> SettingsError:
    """The error for a name that no chip has."""
    return SettingsError(
        f"there is no hardware preset {name!r}{closest(str(name), PRESETS)}; "
        f"the presets are {', '.join(PRESETS)}, and a TOML or JSON file is read by Hardware.load"
    )
