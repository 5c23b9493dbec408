"""What is wrong with a command's arguments, said before anything heavy is imported."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from memrix._support.preset_names import PRESETS, SYNAPTOGEN, is_hardware_file, unknown_preset
from memrix.errors import DataError, SettingsError

_words: list[str] = []


def remember_command(words: Sequence[str]) -> None:
    """Take the arguments of the process over, for files that say how they were made."""
    _words[:] = words


def command() -> str:
    """The command that is running, as it would be typed."""
    return shlex.join(["memrix", *_words])


def check_input(option: str, path: Path | None, expected: str) -> None:
    """Make sure that a file to be read is there.

    Raises:
        DataError: it is not, or is a folder; the message names the option and what it takes.
    """
    if path is None or path.is_file():
        return
    wrong = "is a folder" if path.is_dir() else "cannot be read: there is no such file"
    raise DataError(f"{str(path)!r} {wrong}; {option} takes {expected}")


def check_hardware(*names: str) -> None:
    """Make sure that chips are presets, or files that are there.

    Raises:
        SettingsError: one is neither.
    """
    for name in names:
        if is_hardware_file(name):
            if not Path(name).is_file():
                raise SettingsError(
                    f"the hardware description {name!r} cannot be read: there is no such file; name a TOML or JSON "
                    f"file, or one of the presets {', '.join(PRESETS)}"
                )
        elif name not in PRESETS:
            raise unknown_preset(name)


def check_device(parameters: str) -> None:
    """Make sure that a device is the built-in one, or a file of parameters that is there.

    Raises:
        SettingsError: it is neither.
    """
    if parameters != SYNAPTOGEN and not Path(parameters).is_file():
        raise SettingsError(
            f"device parameters {parameters!r} cannot be read: there is no such file; name {SYNAPTOGEN!r}, the "
            f"built-in device, or a JSON file that `memrix device fit` has written"
        )
