"""Machine code that most tests run, made once: two processes that find none would each make all of it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:
    fcntl = None  # each process makes its own then


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read_vectors() -> None:
    _chip_of_ones("physical", programming="ideal")


def _program_cells() -> None:
    _chip_of_ones("physical", noise="off")


def _ramp() -> None:
    _chip_of_ones("tuned", noise="off")


def _chip_of_ones(preset: str, **changes: str) -> None:
    import torch

    import memrix

    model, x = torch.nn.Linear(8, 8), torch.ones(2, 8)
    hardware = memrix.Hardware.preset(preset).replace(**changes)
    memrix.calibrate(model, [x] * 8, hardware)
    with torch.no_grad():
        memrix.program(model, hardware)(x)


def make(folder: Path) -> None:
    """Make what is not yet on disk; of several processes, each begins with another part, and waits for the others.

    Args:
        folder: of all processes, for locks.
    """
    import torch

    parts = [_read_vectors, _program_cells, _ramp]
    if os.environ["PYTEST_XDIST_WORKER"] != "gw0":
        parts.reverse()
    with torch.random.fork_rng():
        for part in parts:
            with _alone(folder / f"memrix-tests-{getpass.getuser()}{part.__name__}.lock"):
                part()
