"""What a command says beside its results."""

from __future__ import annotations


def message(text: str) -> None:
    """Say something to the user on stderr."""
    from rich.console import Console

    # Paths stay on one line, so that they can be copied.
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)
