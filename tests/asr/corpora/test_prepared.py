import pytest

from memrix.asr.corpora.prepared import corpora_folder, open_corpus
from memrix.asr.corpora.writing import write_corpus
from memrix.errors import DataError
from tests.asr.corpora.cuts import cut


def test_a_corpus_is_opened_by_name_or_folder(tmp_path):
    write_corpus("tiny", corpora_folder() / "tiny", {"train": [cut("a", "one")]}, {"source": "nowhere"})
    for name in ("tiny", str(corpora_folder() / "tiny")):
        corpus = open_corpus(name)
        assert (corpus.name, corpus.splits, corpus.description["source"]) == ("tiny", ("train",), "nowhere")


def test_a_folder_that_merely_has_the_name_of_a_corpus_is_not_taken_for_it(tmp_path, monkeypatch):
    write_corpus("tiny", corpora_folder() / "tiny", {"train": [cut("a", "one")]}, {})
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    assert open_corpus("tiny").folder == corpora_folder() / "tiny"


def test_paths_of_audio_start_at_the_folder(tmp_path):
    corpus = write_corpus("tiny", tmp_path, {"train": [cut("a", "one")]}, {})
    (item,) = corpus.cuts("train")
    assert item.recording.sources[0].source == str(tmp_path / "audio/a.wav")


def test_an_unknown_split_names_those_that_are_there(tmp_path):
    corpus = write_corpus("tiny", tmp_path, {"train": [cut("a", "one")]}, {})
    with pytest.raises(DataError, match=r"no split 'trian' \(did you mean 'train'\?\); it has train"):
        corpus.cuts("trian")


def test_an_unknown_corpus_names_those_that_are_there():
    write_corpus("tiny", corpora_folder() / "tiny", {"train": [cut("a", "one")]}, {})
    with pytest.raises(DataError, match=r"'tinny' \(did you mean 'tiny'\?\); prepared are tiny; run `memrix corpus"):
        open_corpus("tinny")


@pytest.mark.parametrize("content", ["", "[]", '{"source": 1}'])
def test_a_damaged_description_is_an_error(tmp_path, content):
    (tmp_path / "corpus.json").write_text(content)
    with pytest.raises(DataError, match=r"corpus\.json is damaged .*; remove"):
        open_corpus(str(tmp_path))
