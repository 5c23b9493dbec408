"""Values in messages. Imports no numpy: `memrix --help` waits for nothing."""

from __future__ import annotations

_LONGEST = 60  # characters of a value that a message shows


def shown(value: object) -> str:
    """A value as a message shows it: one short line, whatever was given."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # numbers of thousands of digits have no text, and a user's object may raise anything
        text = (
            f"a {type(value).__name__} too large to show" if isinstance(value, int) else f"a {type(value).__name__}"
        )
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
