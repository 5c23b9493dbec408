"""Transcripts as recognizers are trained on them: words in lower case, of letters and apostrophes."""

from __future__ import annotations

import re
import unicodedata

from memrix.errors import DataError
from memrix.toolkit import former_names

_REMARK = re.compile(r"\([^)]*\)|<[^>]*>|\[[^\]]*\]|\{[^}]*\}")
_OTHERS = re.compile(r"[^a-z' ]")
_CLITIC = re.compile(r"(?<=[A-Za-z]) '(?=(?:s|t|d|m|ll|re|ve|clock)\b)", re.IGNORECASE)


def normalized(text: str) -> str:
    """Words of ``[a-z']`` with single spaces between; remarks in brackets are dropped, hyphens part words.

    Apostrophes around a word are quotation marks and go, accents go; digits have no one reading, and are the caller's
    to refuse (``has_digits``, or ``transcript``, which refuses all that would be lost).
    """
    words = (word.strip("'") for word in _OTHERS.sub(" ", _said(text)).split())
    return " ".join(word for word in words if word)


def transcript(text: str) -> str:
    """The normalized text, where that keeps everything that is said.

    Raises:
        DataError: no words are left, or there are digits or letters that would be dropped.
    """
    said = set(_said(text))
    lost = sorted(sign for sign in said if sign.isnumeric() or (sign.isalpha() and not "a" <= sign <= "z"))
    if lost:
        raise DataError(
            f"the transcript {text!r} has {' '.join(lost)}, but words are of the letters a to z; write "
            "out what is said"
        )
    words = normalized(text)
    if not words:
        raise DataError(
            f"the transcript {text!r} is empty: no words are left of it" if text else "it has no transcript"
        )
    return words


def with_joined_endings(text: str) -> str:
    """Words whose endings stand apart, as those of TED-LIUM do, as one word: ``it 's`` becomes ``it's``."""
    return _CLITIC.sub("'", text)


def is_remark(text: str) -> bool:
    """Whether a text is nothing but remarks in brackets, such as ``<unk>`` or ``[laughter]``."""
    return bool(text.strip()) and not _REMARK.sub(" ", text).strip()


def has_digits(text: str) -> bool:
    """Whether a text has numbers, which can be read in more than one way."""
    return any(character.isdigit() for character in text)


def _said(text: str) -> str:
    """Lower case without remarks and accents."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("’", "'").replace("`", "'"))
    return _REMARK.sub(" ", "".join(character for character in plain if not unicodedata.combining(character)))


__getattr__ = former_names(__name__, {"normalised": "normalized"})
