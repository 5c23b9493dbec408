import pytest
from hypothesis import given, strategies as st

import memrix.asr.labels
from memrix.asr.labels import BLANK, PhonemeLabels, SubwordLabels
from memrix.asr.training.settings import LabelSettings
from memrix.errors import DataError

PRONUNCIATIONS = {"a": (("AH",), ("EY",)), "cat": (("K", "AE", "T"),), "tee": (("T", "IY"),)}


def test_the_last_phoneme_of_a_word_has_a_label_of_its_own():
    labels = PhonemeLabels(PRONUNCIATIONS)
    assert labels.symbols[0] == BLANK
    assert [labels.symbols[number] for number in labels.encode("a cat")] == ["AH#", "K", "AE", "T#"]
    assert labels.spellings("a") == (("AH#",), ("EY#",))
    assert len(set(labels.symbols)) == 1 + 2 * 6


def test_words_without_pronunciation_are_all_named():
    labels = PhonemeLabels(PRONUNCIATIONS)
    assert labels.unspellable(["a dog", "cat and tee"]) == ["and", "dog"]
    with pytest.raises(DataError, match=r"and, dog.*dictionary"):
        labels.encode("a dog and a cat")


def test_a_phoneme_that_is_not_in_the_inventory_makes_a_word_unspellable():
    labels = PhonemeLabels(PRONUNCIATIONS, phonemes=["AH", "EY", "T", "IY"])
    assert labels.unspellable(["a cat tee"]) == ["cat"]


def test_a_repeated_label_needs_a_blank_between():
    labels = PhonemeLabels(PRONUNCIATIONS)
    assert labels.shortest_frames([1, 2, 3]) == 3
    assert labels.shortest_frames([1, 1, 3, 3, 3]) == 8
    assert labels.shortest_frames([]) == 0


@pytest.mark.parametrize(
    "labels",
    [PhonemeLabels(PRONUNCIATIONS), SubwordLabels.trained(["a cat", "a tee", "cats"], 20)],
    ids=["phonemes", "subwords"],
)
def test_an_inventory_comes_back_from_its_description(labels):
    again = type(labels).from_description(labels.description())
    assert again.symbols == labels.symbols
    assert again.encode("a cat tee") == labels.encode("a cat tee")
    assert again.description() == labels.description()


@given(st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=8))
def test_subwords_put_together_are_the_word(words):
    labels = SubwordLabels.trained(["abc cab", "bac abba"], 30)
    for word in words:
        assert "".join(labels.spellings(word)[0]) == f"▁{word}"
    numbers = labels.encode(" ".join(words))
    assert 0 not in numbers
    assert "".join(labels.symbols[number] for number in numbers) == "".join(f"▁{word}" for word in words)


def test_letters_that_never_occurred_cannot_be_spelled():
    labels = SubwordLabels.trained(["abc"], 20)
    assert labels.unspellable(["abc xyz ax"]) == ["ax", "xyz"]


def test_the_former_name_of_subword_labels_warns():
    with pytest.warns(DeprecationWarning, match="use memrix.asr.labels.SubwordLabels"):
        assert memrix.asr.labels.PieceLabels is SubwordLabels


def test_the_former_setting_for_subwords_warns():
    with pytest.warns(DeprecationWarning, match="use labels.kind='subwords'"):
        assert LabelSettings(kind="pieces").kind == "subwords"
