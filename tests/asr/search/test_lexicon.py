import pickle

import pytest

from memrix.asr.search.lexicon import Lexicon
from memrix.errors import DataError

SYMBOLS = ("<blank>", "K", "AE", "T#", "S#")
CAT = {"cat": [["K", "AE", "T#"]], "cats": [("K", "AE", "S#"), ("K", "S#"), ("K", "S#")]}


def test_spellings_are_numbered_by_the_inventory():
    lexicon = Lexicon(CAT)
    assert lexicon.words == ("cat", "cats")
    assert list(lexicon.numbered(SYMBOLS)) == [(0, (1, 2, 3)), (1, (1, 2, 4)), (1, (1, 4))]


def test_a_lexicon_keeps_a_copy_and_can_be_sent():
    words = {"cat": [["K", "AE", "T#"]]}
    lexicon = Lexicon(words)
    words["cat"].append(["K"])
    assert lexicon.spellings == {"cat": (("K", "AE", "T#"),)}
    assert pickle.loads(pickle.dumps(lexicon)) == lexicon
    assert lexicon.fingerprint == Lexicon({"cat": [("K", "AE", "T#")]}).fingerprint
    assert lexicon.fingerprint != Lexicon(CAT).fingerprint


def test_everything_that_is_wrong_with_the_words_is_said_at_once():
    words = {
        "": [("K",)],
        "two words": [("K",)],
        "</s>": [("K",)],
        "none": [],
        "empty": [()],
        "text": ["K AE T#"],
        "good": [("K",)],
    }
    with pytest.raises(DataError) as error:
        Lexicon(words)
    lines = str(error.value).splitlines()
    assert len(lines) == 7
    assert "'two words': a word must not be empty or hold blanks" in lines[2]
    assert "'text': a spelling is a tuple of label symbols, got the text 'K AE T#'" in lines[6]


def test_a_lexicon_without_words_is_refused():
    with pytest.raises(DataError, match="needs words, got none"):
        Lexicon({})


def test_words_with_symbols_that_the_model_does_not_have_are_all_listed():
    with pytest.raises(DataError, match=r"(?s)it has 3 besides the blank.*cat: K AE T# \(T#\)\n  cats: .*"):
        list(Lexicon({**CAT, "cats": [("<blank>", "S#")]}).numbered(("<blank>", "K", "AE", "S#")))


def test_an_inventory_with_equal_symbols_is_refused():
    with pytest.raises(DataError, match="but AE, K occur more than once"):
        list(Lexicon(CAT).numbered((*SYMBOLS, "K", "AE")))
