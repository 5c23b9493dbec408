import pytest

from memrix.asr.corpora.writing import Collection, entries
from memrix.errors import DataError
from tests.asr.corpora.cuts import cut


def test_all_problems_are_told_at_once(tmp_path):
    collection = Collection("tiny")
    collection.add("train", cut("a", "one"))
    collection.add("dev", cut("a", "one"))
    collection.refuse("b", "too loud")
    with pytest.raises(DataError) as caught:
        collection.written(tmp_path / "out", {})
    assert str(caught.value).splitlines() == [
        "2 parts of the corpus tiny cannot be used; fix it, or leave it out with --skip-bad:",
        "  a: another utterance has this id",
        "  b: too loud",
    ]
    assert not (tmp_path / "out").exists()


def test_what_is_skipped_is_in_the_description(tmp_path):
    collection = Collection("tiny", skip_bad=True)
    collection.add("train", cut("a", "one"))
    collection.refuse("b", "too loud")
    corpus = collection.written(tmp_path, {"source": "nowhere"})
    assert corpus.description["skipped"] == ["b: too loud"]
    assert [item.id for item in corpus.cuts("train")] == ["a"]


def test_skipping_everything_is_an_error(tmp_path):
    collection = Collection("tiny", skip_bad=True)
    collection.refuse("b", "too loud")
    with pytest.raises(DataError, match="nothing else is left:\n  b: too loud"):
        collection.written(tmp_path, {})


def test_nothing_at_all_is_an_error(tmp_path):
    with pytest.raises(DataError, match="tiny has no utterances"):
        Collection("tiny").written(tmp_path, {})


def test_entries_of_a_folder_are_for_people(tmp_path):
    assert entries(tmp_path / "no") == f"there is no folder {tmp_path / 'no'}"
    assert entries(tmp_path) == f"{tmp_path} holds nothing"
    (tmp_path / "train").mkdir()
    (tmp_path / "a.txt").touch()
    assert entries(tmp_path) == f"{tmp_path} holds a.txt, train/"
    assert entries(tmp_path, most=1) == f"{tmp_path} holds a.txt and 1 more"
    assert entries(tmp_path / "a.txt") == f"{tmp_path / 'a.txt'} is a file"
