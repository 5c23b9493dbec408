import pytest

from memrix.asr.corpora.statistics import corpus_statistics, split_statistics
from memrix.asr.corpora.writing import write_corpus
from tests.asr.corpora.cuts import cut


def test_figures_of_a_split():
    cuts = [cut("a", "one two", "x", 1800.0), cut("b", "two", "y", 900.0), cut("c", "two", None, 900.0)]
    figures = {"utterances": 3, "hours": 1.0, "words": 4, "vocabulary": 2, "speakers": 2}
    assert split_statistics({"dev": cuts}) == {"dev": figures}


def test_words_are_held_against_train_and_the_dictionary(tmp_path):
    cuts = {
        "train": [cut("a", "one two two three")],
        "dev": [cut("b", "one four four four"), cut("d", "one two two three")],
        "test": [cut("c", "one")],
    }
    corpus = write_corpus("tiny", tmp_path, cuts, {})
    statistics = corpus_statistics(corpus, {"one", "two"})
    assert [row["unseen_words"] for row in statistics.values()] == [None, 0.375, 0.0]
    assert [row["unpronounced_words"] for row in statistics.values()] == [0.25, 0.5, 0.0]
    assert [row["seen_sentences"] for row in statistics.values()] == [None, 0.5, 0.0]


def test_without_anything_to_hold_against_there_is_no_share(tmp_path):
    corpus = write_corpus("tiny", tmp_path, {"test": [cut("c", "one")]}, {})
    row = corpus_statistics(corpus)["test"]
    assert (row["unseen_words"], row["unpronounced_words"]) == (None, None)
    assert row["hours"] == pytest.approx(1 / 3600, abs=1e-4)
