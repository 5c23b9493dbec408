"""What the commands of `memrix device` share."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from memrix.errors import DataError

OUTPUT = Parameter(name=("--output", "-o"))
DeviceName = Annotated[
    str,
    Parameter(help="synaptogen, the built-in device, or a JSON file that `memrix device fit` has written."),
]


def check_seed(seed: int) -> None:
    """Raise DataError unless a seed is one that every library takes."""
    if not 0 <= seed < 1 << 32:
        raise DataError(f"--seed is a whole number from 0 to {(1 << 32) - 1}, got {seed}")


def require_extra() -> None:
    """Say what to install when the libraries of the extra are not there.

    Raises:
        DataError: a library is missing.
    """
    from importlib.util import find_spec

    missing = [name for name in ("matplotlib", "pandas", "scipy", "sklearn") if find_spec(name) is None]
    if missing:
        raise DataError(f"{', '.join(missing)} must be installed for this command: pip install 'memrix[device]'")
