"""Text as it is compared in scoring."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from memrix.toolkit import former_names


def normalize(text: str) -> str:
    """Words without punctuation, case or spelling of numbers: "Two, please." gives "2 please"."""
    # Of an ellipsis, the normalizer leaves a dot that would count as a word.
    return " ".join(word for word in _normalizer()(text).split() if any(map(str.isalnum, word)))


@cache
def _normalizer() -> Callable[[str], str]:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    # British and American spellings stay apart: their mapping comes with each model, not with the library.
    normalizer: Callable[[str], str] = EnglishTextNormalizer({})
    return normalizer


__getattr__ = former_names(__name__, {"normalise": "normalize"})
