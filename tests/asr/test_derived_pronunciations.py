import pytest
from rapidfuzz.distance import Levenshtein

from memrix.asr import derived_pronunciations as module, pronunciation
from memrix.asr.corpora.prepared import corpora_folder
from memrix.asr.corpora.writing import write_corpus
from memrix.asr.derived_pronunciations import derived_pronunciations, write_derived
from memrix.asr.pronunciation import corpus_pronunciations, own_dictionary
from memrix.cli.main import main
from memrix.errors import AssetError
from tests.asr.corpora.cuts import cut

CMU = {"cat": (("K", "AE", "T"),), "dog": (("D", "AO", "G"), ("D", "AA", "G")), "fish": (("F", "IH", "SH"),)}


class Spelled:
    """Says the name of each letter, and nothing of a word with q."""

    def pronounce(self, word):
        return () if "q" in word else tuple(word.upper())


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch, request):
    if "slow" not in request.keywords:
        monkeypatch.setenv("MEMRIX_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(pronunciation, "cmu_dictionary", lambda: CMU)
        monkeypatch.setattr(module, "_model", Spelled)


@pytest.fixture
def corpus(request):
    cuts = {"train": [cut("a", "cat memrix")], "dev": [cut("b", "dog's"), cut("c", "qq")]}
    return write_corpus("tiny", corpora_folder() / "tiny", cuts, {})


def test_possessives_end_as_their_words_have_it():
    assert derived_pronunciations(["cat's", "dog's", "fish's", "ox's"], CMU) == {
        "cat's": (("K", "AE", "T", "S"),),
        "dog's": (("D", "AO", "G", "Z"), ("D", "AA", "G", "Z")),
        "fish's": (("F", "IH", "SH", "IH", "Z"),),
        "ox's": (("O", "X", "'", "S"),),
    }


def test_words_of_other_letters_have_no_pronunciation():
    assert derived_pronunciations(["naïve", "x" * 41, "qat", ""], {}) == {}


def test_what_is_derived_is_kept_with_the_corpus(corpus):
    derived, missing = write_derived(corpus)
    assert (list(derived), missing) == (["dog's", "memrix"], ["qq"])
    found = corpus_pronunciations("tiny", (), ["memrix dog's"])
    assert found == {"memrix": (tuple("MEMRIX"),), "dog's": (("D", "AO", "G", "Z"), ("D", "AA", "G", "Z"))}


def test_corrections_by_hand_stay(corpus):
    write_derived(corpus)
    path = corpus.folder / pronunciation.DERIVED
    path.write_text("memrix M EH M R IH K S")  # without an end of line, and without the others
    assert list(write_derived(corpus)[0]) == ["dog's"]
    assert corpus_pronunciations("tiny", (), ["memrix"]) == {"memrix": (("M", "EH", "M", "R", "IH", "K", "S"),)}
    assert len(path.read_text().splitlines()) == 3


def test_the_command_lists_what_it_derived(corpus, capsys):
    assert main(["corpus", "pronounce", "tiny"]) == 0
    said = capsys.readouterr().err
    assert "memrix M E M R I X" in said
    assert "no pronunciation was found for qq" in said
    assert f"2 pronunciations were derived: {corpus.folder / 'derived.dict'}" in said


def test_a_model_out_of_reach_is_told(corpus, monkeypatch, capsys):
    def unreachable():
        raise AssetError("g2p-en cannot be fetched")

    monkeypatch.setattr(module, "_model", unreachable)
    assert main(["corpus", "pronounce", "tiny"]) != 0
    assert "g2p-en cannot be fetched" in capsys.readouterr().err


@pytest.mark.slow
def test_the_model_says_words_as_dictionaries_do():
    words = own_dictionary("queen")
    found = derived_pronunciations(words, {})
    assert derived_pronunciations(["memristor", "kubernetes"], {}) == {
        "memristor": (("M", "EH", "M", "R", "AY", "S", "T", "ER"),),
        "kubernetes": (("K", "AH", "B", "ER", "N", "AH", "T", "S"),),
    }
    errors = sum(min(Levenshtein.distance(way, found[word][0]) for way in ways) for word, ways in words.items())
    # Of invented names, mostly; a fifth of the phonemes when it was written.
    assert errors < 0.25 * sum(len(ways[0]) for ways in words.values())
