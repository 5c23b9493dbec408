import pytest
from hypothesis import given, strategies as st

from memrix.asr.text import normalize


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two, please.", "2 please"),
        ("PRESS 2!", "press 2"),
        ("press 1", "press one"),
        ("I'm sorry, that's not valid", "i am sorry that is not valid"),
        ("twenty-three dollars", "$23"),
        ("To exit the menu...", "to exit the menu"),
        ("... for ...", "for"),
        ("wait … what?", "wait what"),
        ("at [@]", "at"),
        ("", ""),
        ("...", ""),
    ],
)
def test_spelling_that_does_not_count_is_removed(text, expected):
    assert normalize(text) == expected


@given(st.text(max_size=60))
def test_any_text_becomes_words_between_single_spaces(text):
    normalized = normalize(text)
    assert normalized == " ".join(normalized.split())
