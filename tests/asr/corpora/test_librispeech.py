import re

import pytest

from memrix.asr.corpora.librispeech import prepare_librispeech
from memrix.errors import DataError
from tests.asr.miniature import write_librispeech

PARTS = {
    "train-clean-100": {"103-1240-0000": "CHAPTER ONE", "103-1240-0001": "MISSUS RACHEL LYNDE'S"},
    "train-other-500": {"20-205-0000": "AND SO"},
    "dev-other": {"116-288017-0000": "NOT AGAIN"},
    "test-clean": {"121-127105-0000": "HE SAID"},
}


@pytest.fixture
def books(tmp_path):
    return write_librispeech(tmp_path, PARTS)


def test_all_parts_that_are_there_are_taken(books, tmp_path):
    corpus = prepare_librispeech(tmp_path / "out", books)
    texts = {split: [cut.supervisions[0].text for cut in corpus.cuts(split)] for split in corpus.splits}
    assert texts == {
        "train": ["chapter one", "missus rachel lynde's", "and so"],
        "dev": ["not again"],
        "test": ["he said"],
    }
    assert corpus.description["parts"]["train"] == ["train-clean-100", "train-other-500"]
    assert corpus.description["statistics"]["train"]["speakers"] == 2


def test_a_part_of_a_split_can_be_taken_alone(books, tmp_path):
    corpus = prepare_librispeech(tmp_path / "out", books)
    assert [cut.id for cut in corpus.cuts("train", "train-other-500")] == ["20-205-0000"]
    counted = {name: row["utterances"] for name, row in corpus.description["statistics"].items()}
    parts = {"train, train-clean-100": 2, "train, train-other-500": 1}
    assert counted == {"train": 3, **parts, "dev": 1, "test": 1}
    with pytest.raises(DataError, match=r"test of librispeech has no part 'test-claen' .*'test-clean'\?\)"):
        corpus.cuts("test", "test-claen")


def test_audio_stays_where_it_is(books, tmp_path):
    (cut,) = prepare_librispeech(tmp_path / "out", books).cuts("dev")
    assert cut.recording.sources[0].source == str(books / "dev-other/116/288017/116-288017-0000.flac")
    assert cut.load_audio().shape == (1, 8000)


def test_parts_may_be_missing(tmp_path):
    root = write_librispeech(tmp_path, {"test-clean": PARTS["test-clean"]})
    assert prepare_librispeech(tmp_path / "out", root).splits == ("test",)


def test_broken_and_missing_audio_is_listed_and_can_be_left_out(books, tmp_path):
    cut_off = books / "train-clean-100/103/1240/103-1240-0001.flac"
    cut_off.write_bytes(cut_off.read_bytes()[:5000])
    (books / "train-other-500/20/205/20-205-0000.flac").unlink()
    with (books / "dev-other/116/288017/116-288017.trans.txt").open("a") as stream:
        stream.write("116-288017-0001\n")
    with pytest.raises(DataError) as caught:
        prepare_librispeech(tmp_path / "out", books)
    problems = str(caught.value).splitlines()[1:]
    said = ("103-1240-0001: .* ends before", "20-205-0000: no audio file", "116-288017-0001: it has no transcript")
    assert len(problems) == 3
    for problem, pattern in zip(problems, said, strict=True):
        assert re.search(pattern, problem)
    assert len(prepare_librispeech(tmp_path / "out", books, skip_bad=True).description["skipped"]) == 3


def test_another_folder_is_told_with_what_it_holds(books, tmp_path):
    with pytest.raises(DataError, match=r"is no LibriSpeech: looked for parts such as .*holds LibriSpeech/; did you"):
        prepare_librispeech(tmp_path / "out", tmp_path)
    with pytest.raises(DataError, match="there is no folder"):
        prepare_librispeech(tmp_path / "out", tmp_path / "nowhere")
    with pytest.raises(DataError, match="name your copy, --source"):
        prepare_librispeech(tmp_path / "out")
