"""Transcripts as recognisers are trained on them: words in lower case, of letters and apostrophes."""

from __future__ import annotations

import re

_REMARK = re.compile(r"\([^)]*\)|<[^>]*>|\[[^\]]*\]|\{[^}]*\}")
_OTHERS = re.compile(r"[^a-z' ]")


def normalised(text: str) -> str:
    """Words of ``[a-z']`` with single spaces between; remarks in brackets are dropped, hyphens part words.

    Apostrophes around a word are quotation marks and go; digits have no one reading, and are the caller's to refuse
    (``has_digits``).
    """
    plain = _REMARK.sub(" ", text.lower().replace("’", "'").replace("`", "'"))
    words = (word.strip("'") for word in _OTHERS.sub(" ", plain).split())
    return " ".join(word for word in words if word)


def has_digits(text: str) -> bool:
    """Whether a text has numbers, which can be read in more than one way."""
    return any(character.isdigit() for character in text)
