import pytest

from memrix.asr import pronunciation
from memrix.asr.corpora.prepared import corpora_folder
from memrix.asr.corpora.writing import write_corpus
from memrix.asr.pronunciation import (
    corpus_pronunciations,
    merged,
    missing_words,
    own_dictionary,
    parse_dictionary,
    pronounced_words,
    read_dictionary,
)
from memrix.errors import AssetError, DataError
from tests.asr.corpora.cuts import cut

CMU = parse_dictionary(["one W AH N", "one(2) HH W AH N", "two T UW"], "CMU")


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pronunciation, "cmu_dictionary", lambda: CMU)


def prepared(name="tiny", **description):
    return write_corpus(name, corpora_folder() / name, {"train": [cut("a", "one")]}, description)


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_alternatives_stress_and_comments_are_understood(tmp_path):
    lines = (";;; a comment", "# another", "", "HELLO  HH AH0 L OW1", "hello(2) HH EH0 L OW1", "hello(3) hh eh l ow")
    assert read_dictionary(write(tmp_path / "d.dict", *lines)) == {
        "hello": (("HH", "AH", "L", "OW"), ("HH", "EH", "L", "OW"))
    }


def test_every_line_that_cannot_be_used_is_listed(tmp_path):
    path = write(tmp_path / "d.dict", "one W AH N", "two", "three")
    with pytest.raises(DataError, match=r"d\.dict has lines .*\n  line 2: 'two' has no phonemes\n  line 3: 'three'"):
        read_dictionary(path)


def test_missing_and_empty_dictionaries_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"no\.dict cannot be read \(No such file or directory\); check the path"):
        read_dictionary(tmp_path / "no.dict")
    with pytest.raises(DataError, match="is empty; expected lines such as"):
        read_dictionary(write(tmp_path / "d.dict", "# nothing"))


def test_merged_dictionaries_put_the_first_first():
    first, second = {"a": (("AH",),)}, {"a": (("EY",), ("AH",)), "b": (("B", "IY"),)}
    assert merged(first, second) == {"a": (("AH",), ("EY",)), "b": (("B", "IY"),)}


def test_missing_words_are_in_order():
    assert missing_words(["zoo one", "ant two zoo"], CMU) == ["ant", "zoo"]


def test_memrix_has_pronunciations_for_queen_alone():
    assert len(own_dictionary("queen")) == 133
    assert own_dictionary("tiny") == {}


def test_words_of_the_texts_are_kept(tmp_path):
    prepared()
    assert corpus_pronunciations("tiny", (), ["two", "zwei"]) == {"two": (("T", "UW"),)}


def test_the_dictionary_of_the_corpus_is_used_without_fetching_another(tmp_path, monkeypatch):
    prepared(dictionary=str(write(tmp_path / "corpus.dic", "one W AA N", "drei D R AY")))
    monkeypatch.setattr(pronunciation, "cmu_dictionary", None)
    assert corpus_pronunciations("tiny", (), ["one drei"]) == {
        "drei": (("D", "R", "AY"),),
        "one": (("W", "AA", "N"),),
    }


def test_cmu_fills_gaps_alone(tmp_path):
    prepared(dictionary=str(write(tmp_path / "corpus.dic", "one W AA N")))
    spelled = {"one": (("W", "AA", "N"),), "two": (("T", "UW"),)}
    assert corpus_pronunciations("tiny", (), ["one two"]) == spelled


def test_the_users_own_come_first(tmp_path):
    prepared(dictionary=str(write(tmp_path / "corpus.dic", "one W AA N")))
    mine = write(tmp_path / "mine.dict", "one W IY N")
    assert corpus_pronunciations("tiny", [mine], ["one"]) == {"one": (("W", "IY", "N"), ("W", "AA", "N"))}


def test_a_corpus_in_a_folder_of_another_name_is_known_by_its_own(tmp_path):
    write_corpus("queen", tmp_path / "elsewhere", {"train": [cut("a", "one")]}, {})
    word = next(iter(own_dictionary("queen")))
    assert corpus_pronunciations(str(tmp_path / "elsewhere"), (), [word])[word] == own_dictionary("queen")[word]


def test_a_dictionary_that_is_gone_is_an_error(tmp_path):
    prepared(dictionary=str(tmp_path / "gone.dic"))
    with pytest.raises(DataError, match=r"gone\.dic cannot be read"):
        corpus_pronunciations("tiny", (), ["one"])


def test_pronounced_words_are_those_of_all_dictionaries(tmp_path):
    corpus = prepared(dictionary=str(write(tmp_path / "corpus.dic", "drei D R AY")))
    words = pronounced_words(corpus)
    assert [word in words for word in ("one", "drei", "zwei")] == [True, True, False]


def test_a_dictionary_that_cannot_be_fetched_is_an_error(monkeypatch):
    prepared()

    def unreachable():
        raise AssetError("no network")

    monkeypatch.setattr(pronunciation, "cmu_dictionary", unreachable)
    with pytest.raises(AssetError, match="no network"):
        corpus_pronunciations("tiny", (), ["one"])
