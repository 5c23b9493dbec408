import pytest

from memrix.asr.corpora.transcripts import has_digits, is_remark, normalized, transcript, with_joined_endings
from memrix.errors import DataError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", "hello world"),
        ("a twenty-year-old", "a twenty year old"),
        ("'Tis what he said: 'don't!'", "tis what he said don't"),
        ("the café [laughter] {NOISE} is <unk> here(2)", "the cafe is here"),
        ("it’s  Joe`s", "it's joe's"),
        ("...", ""),
    ],
)
def test_words_are_of_letters_and_apostrophes(text, words):
    assert normalized(text) == words


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("it 's what they 're", "it's what they're"),
        ("i 'd say we 've , o 'clock", "i'd say we've , o'clock"),
        ("he said 'hello' and 'so' on", "he said 'hello' and 'so' on"),
        ("give 'em ' cause", "give 'em ' cause"),
    ],
)
def test_endings_that_stand_apart_are_joined(text, joined):
    assert with_joined_endings(text) == joined


def test_markers_of_pronunciations_are_no_digits():
    assert transcript("the(2) car") == "the car"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("in 1999", r"has 1 9, but words"),
        ("½ of it", r"has 1 2"),
        ("мир", r"has и м р, but words"),
        ("<unk>", "no words"),
    ],
)
def test_what_would_be_lost_is_refused(text, said):
    with pytest.raises(DataError, match=said):
        transcript(text)


def test_no_transcript_is_refused():
    with pytest.raises(DataError, match="it has no transcript"):
        transcript("")


@pytest.mark.parametrize(("text", "remark"), [("<unk> {NOISE}", True), ("", False), ("<unk> yes", False)])
def test_remarks_are_told_from_empty_transcripts(text, remark):
    assert is_remark(text) is remark


def test_digits_are_found():
    assert has_digits("catch 22")
    assert not has_digits("catch twenty-two")
