"""Signals to stop, noted so that the state of a training is kept before it ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[list[bool]]:
    """Signals to stop are noted, so that a step is finished and the state kept; the second one stops at once."""
    noted: list[bool] = []

    def note(number: int, frame: object) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(True)

    former = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            former[number] = signal.signal(number, note)
    except ValueError:  # not the main thread: whoever runs this handles signals
        pass
    try:
        yield noted
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
