import pytest

from memrix.asr.search.perplexity import check_texts, sentences_of
from memrix.errors import DataError


def test_files_are_read_one_after_the_other(tmp_path):
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("\ufeffone two\r\nthree", encoding="utf-8")
    second.write_text("vier fünf\n", encoding="utf-8")
    check_texts([first, second])
    assert [line.split() for line in sentences_of([first, second])] == [["one", "two"], ["three"], ["vier", "fünf"]]


def test_all_files_that_are_missing_are_listed(tmp_path):
    with pytest.raises(DataError, match=r"(?s)check their paths:\n  .*a\.txt: No such file.*: Is a directory"):
        check_texts([tmp_path / "a.txt", tmp_path])
    with pytest.raises(DataError, match="name at least one file"):
        check_texts([])


def test_another_encoding_is_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes("fünf".encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.txt is not readable as UTF-8 text .*; save it as UTF-8"):
        list(sentences_of([tmp_path / "a.txt"]))
