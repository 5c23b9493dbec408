import errno
import json
import os
from pathlib import Path

import pytest

from memrix.asr.corpora.writing import write_corpus, write_cuts, writing_corpus
from memrix.errors import DataError
from tests.asr.corpora.cuts import cut


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "No space left on device.*; free some space and run again"),
        (errno.EACCES, "Permission.*--output"),
    ],
)
def test_errors_of_the_disk_say_how_to_go_on(tmp_path, number, said):
    with (
        pytest.raises(DataError, match=rf"the folder {tmp_path} cannot be written to \({said}"),
        writing_corpus(tmp_path),
    ):
        raise OSError(number, os.strerror(number))


def test_a_full_disk_leaves_no_corpus(tmp_path, monkeypatch):
    def full(path, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DataError, match="free some space"):
        write_corpus("tiny", tmp_path / "out", {"train": [cut("a", "one")]}, {})
    assert list((tmp_path / "out").iterdir()) == []


def test_the_same_cuts_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_cuts(tmp_path / name, [cut("a", "one"), cut("b", "two")])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_manifests_are_those_of_lhotse(tmp_path):
    from lhotse import CutSet

    write_cuts(tmp_path / "train.jsonl.gz", [cut("a", "one"), cut("b", "two")])
    assert [item.supervisions[0].text for item in CutSet.from_file(tmp_path / "train.jsonl.gz")] == ["one", "two"]


def test_splits_without_cuts_have_no_manifest_even_where_there_was_one(tmp_path):
    write_corpus("tiny", tmp_path, {"train": [cut("a", "one")], "dev": [cut("b", "one two")]}, {})
    corpus = write_corpus("tiny", tmp_path, {"train": [cut("a", "one")], "dev": []}, {"source": "nowhere"})
    assert corpus.splits == ("train",)
    assert json.loads((tmp_path / "corpus.json").read_text()) == {
        "name": "tiny",
        "source": "nowhere",
        "statistics": {"train": {"utterances": 1, "hours": 0.0003, "words": 1, "vocabulary": 1, "speakers": 1}},
    }
